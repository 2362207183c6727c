// Message.swift — everything one end may ask or answer: one closed, numbered set.
//
// A message is the payload of a request, response or streamItem frame (FrameFormat.swift). In the head: u8 number,
// then the fields that the message's own struct documents; in the body: its one large byte string, or nothing.
// Integers in heads are varints unless said otherwise; `string` is a varint byte count and UTF-8; `list` is a varint
// count and the elements. Numbers are never reused. Wrong order, extra bytes and over-long texts are refused, not
// skipped.
//
// Who is asked and what it answers:
//   coordinator  register → registered · heartbeat → heartbeatReply · fetchCatalog → catalogReply · refreshRollup → done
//                openProducer → producerSession · alterInSync → done · query, list, tenant → per statement
//                [resultHeader, resultBatch…,] resultEnd · forcePrimary, removeCoordinator → done (OperatorMessages)
//                raft → raft or done · joinGroup → joinedGroup · readIndex → readIndexReply (from other coordinators: RaftMessages.swift)
//   worker       ingest → ingested · execute → resultBatch…, executeEnd · catalogChanged → done · refreshShards → done
//                describeShards → shardReports · append → appended · checkCopies → copiesChecked
//                fetchReplica → replicaManifest · fetchFile → filePiece
//                stageRows, deleteRows → staged · modifyRows → modified · decideStatement, endStatement, askStatement → statementAnswer
//                eraseTenant → tenantErased · describeErasure → erasureReport
//                storeCatalogCopy → done · fetchCatalogCopy → catalogCopy (CatalogCopyMessages.swift)

public import Bytes
import Model

/// A message's fields and bytes.
public protocol MessageContent: Sendable, Equatable {
  /// Bytes carried as they are, behind the head.
  var body: [UInt8] { get }
  /// Appends the fields.
  func encode(into out: inout ByteWriter)
  /// Reads the fields; `body` is the frame's body.
  static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> Self
}

extension MessageContent {
  /// Most messages have none.
  public var body: [UInt8] { [] }
}

/// A request or an answer.
public enum Message: Sendable, Equatable {
  case register(Register)
  case registered(Registered)
  case heartbeat(Heartbeat)
  case heartbeatReply(HeartbeatReply)
  case fetchCatalog(FetchCatalog)
  case catalogReply(CatalogReply)
  case query(QueryRequest)
  case resultHeader(ResultHeader)
  case resultBatch(ResultBatch)
  case resultEnd(ResultEnd)
  case openProducer(OpenProducer)
  case producerSession(ProducerSession)
  case list(ListRequest)
  case refreshRollup(RefreshRollup)
  case done(Done)
  case ingest(Ingest)
  case ingested(Ingested)
  case execute(Execute)
  case executeEnd(ExecuteEnd)
  case catalogChanged(CatalogChanged)
  case refreshShards(RefreshShards)
  case describeShards(DescribeShards)
  case shardReports(ShardReports)
  case append(Append)
  case appended(Appended)
  case alterInSync(AlterInSync)
  case fetchReplica(FetchReplica)
  case replicaManifest(ReplicaManifest)
  case fetchFile(FetchFile)
  case filePiece(FilePiece)
  case checkCopies(CheckCopies)
  case copiesChecked(CopiesChecked)
  case raft(RaftEnvelope)
  case joinGroup(JoinGroup)
  case joinedGroup(JoinedGroup)
  case readIndex(ReadIndex)
  case readIndexReply(ReadIndexReply)
  case cancelStatement(CancelStatement)
  case awaitWriters(AwaitWriters)
  case stageRows(StageRows)
  case staged(Staged)
  case decideStatement(DecideStatement)
  case endStatement(EndStatement)
  case askStatement(AskStatement)
  case statementAnswer(StatementAnswer)
  case deleteRows(DeleteRows)
  case modifyRows(ModifyRows)
  case modified(Modified)
  case forcePrimary(ForcePrimary)
  case tenant(TenantRequest)
  case eraseTenant(EraseTenant)
  case tenantErased(TenantErased)
  case describeErasure(DescribeErasure)
  case erasureReport(ErasureReport)
  case awaitRest(AwaitRest)
  case storeCatalogCopy(StoreCatalogCopy)
  case fetchCatalogCopy(FetchCatalogCopy)
  case catalogCopy(CatalogCopy)
  case removeCoordinator(RemoveCoordinator)

  /// Its number on the wire.
  public var number: UInt8 {
    switch self {
    case .register: 1
    case .registered: 2
    case .heartbeat: 3
    case .heartbeatReply: 4
    case .fetchCatalog: 5
    case .catalogReply: 6
    case .query: 7
    case .resultHeader: 8
    case .resultBatch: 9
    case .resultEnd: 10
    case .openProducer: 11
    case .producerSession: 12
    case .list: 13
    case .refreshRollup: 14
    case .done: 15
    case .ingest: 16
    case .ingested: 17
    case .execute: 18
    case .executeEnd: 19
    case .catalogChanged: 20
    case .refreshShards: 21
    case .describeShards: 22
    case .shardReports: 23
    case .append: 24
    case .appended: 25
    case .alterInSync: 26
    case .fetchReplica: 27
    case .replicaManifest: 28
    case .fetchFile: 29
    case .filePiece: 30
    case .checkCopies: 31
    case .copiesChecked: 32
    case .raft: 40
    case .joinGroup: 41
    case .joinedGroup: 42
    case .readIndex: 43
    case .readIndexReply: 44
    case .cancelStatement: 45
    case .awaitWriters: 46
    case .stageRows: 48
    case .staged: 49
    case .decideStatement: 50
    case .endStatement: 51
    case .askStatement: 52
    case .statementAnswer: 53
    case .deleteRows: 54
    case .modifyRows: 57
    case .modified: 58
    case .forcePrimary: 56
    case .tenant: 60
    case .eraseTenant: 61
    case .tenantErased: 62
    case .describeErasure: 63
    case .erasureReport: 64
    case .awaitRest: 66
    case .storeCatalogCopy: 70
    case .fetchCatalogCopy: 71
    case .catalogCopy: 72
    case .removeCoordinator: 73
    }
  }
  /// What it carries.
  public var content: any MessageContent {
    switch self {
    case .register(let content): content
    case .registered(let content): content
    case .heartbeat(let content): content
    case .heartbeatReply(let content): content
    case .fetchCatalog(let content): content
    case .catalogReply(let content): content
    case .query(let content): content
    case .resultHeader(let content): content
    case .resultBatch(let content): content
    case .resultEnd(let content): content
    case .openProducer(let content): content
    case .producerSession(let content): content
    case .list(let content): content
    case .refreshRollup(let content): content
    case .done(let content): content
    case .ingest(let content): content
    case .ingested(let content): content
    case .execute(let content): content
    case .executeEnd(let content): content
    case .catalogChanged(let content): content
    case .refreshShards(let content): content
    case .describeShards(let content): content
    case .shardReports(let content): content
    case .append(let content): content
    case .appended(let content): content
    case .alterInSync(let content): content
    case .fetchReplica(let content): content
    case .replicaManifest(let content): content
    case .fetchFile(let content): content
    case .filePiece(let content): content
    case .checkCopies(let content): content
    case .copiesChecked(let content): content
    case .raft(let content): content
    case .joinGroup(let content): content
    case .joinedGroup(let content): content
    case .readIndex(let content): content
    case .readIndexReply(let content): content
    case .cancelStatement(let content): content
    case .awaitWriters(let content): content
    case .stageRows(let content): content
    case .staged(let content): content
    case .decideStatement(let content): content
    case .endStatement(let content): content
    case .askStatement(let content): content
    case .statementAnswer(let content): content
    case .deleteRows(let content): content
    case .modifyRows(let content): content
    case .modified(let content): content
    case .forcePrimary(let content): content
    case .tenant(let content): content
    case .eraseTenant(let content): content
    case .tenantErased(let content): content
    case .describeErasure(let content): content
    case .erasureReport(let content): content
    case .awaitRest(let content): content
    case .storeCatalogCopy(let content): content
    case .fetchCatalogCopy(let content): content
    case .catalogCopy(let content): content
    case .removeCoordinator(let content): content
    }
  }
  /// What it is called in errors and logs.
  public var name: String { String("\(self)".prefix { $0 != "(" }) }
  /// Whether carrying it out may change something: then a lost connection leaves its outcome unknown.
  public var mayChangeState: Bool {
    switch self {
    case .register, .query, .openProducer, .ingest, .stageRows, .deleteRows, .modifyRows, .decideStatement, .endStatement, .tenant,
      .eraseTenant:
      true
    default: false
    }
  }
}

/// Encodes and decodes messages.
public enum MessageFormat {
  /// The head and body of a response or stream item.
  public static func encode(_ message: Message) -> (head: [UInt8], body: [UInt8]) {
    var out = ByteWriter(capacity: 128)
    let content = message.content
    out.u8(message.number)
    content.encode(into: &out)
    return (out.finish(), content.body)
  }
  /// The head and body of a request; `deadline` is the time left in microseconds, 0 for none.
  public static func encodeRequest(
    _ message: Message,
    deadline: UInt64
  ) -> (head: [UInt8], body: [UInt8]) {
    var out = ByteWriter(capacity: 128)
    let content = message.content
    out.varint(deadline)
    out.u8(message.number)
    content.encode(into: &out)
    return (out.finish(), content.body)
  }
  /// Reads a response or stream item.
  public static func decode(head: [UInt8], body: [UInt8]) throws(DecodingFailure) -> Message {
    try head.withReader { reader throws(DecodingFailure) in try decode(&reader, body) }
  }
  /// Reads a request and the microseconds left for it.
  public static func decodeRequest(
    head: [UInt8],
    body: [UInt8]
  ) throws(DecodingFailure) -> (message: Message, deadline: UInt64) {
    try head.withReader { reader throws(DecodingFailure) in
      let deadline = try reader.varint()
      return (try decode(&reader, body), deadline)
    }
  }

  private static func decode(
    _ reader: inout ByteReader,
    _ body: [UInt8]
  ) throws(DecodingFailure) -> Message {
    let number = try reader.u8()
    let message: Message
    switch number {
    case 1: message = .register(try Register.decode(&reader, body: body))
    case 2: message = .registered(try Registered.decode(&reader, body: body))
    case 3: message = .heartbeat(try Heartbeat.decode(&reader, body: body))
    case 4: message = .heartbeatReply(try HeartbeatReply.decode(&reader, body: body))
    case 5: message = .fetchCatalog(try FetchCatalog.decode(&reader, body: body))
    case 6: message = .catalogReply(try CatalogReply.decode(&reader, body: body))
    case 7: message = .query(try QueryRequest.decode(&reader, body: body))
    case 8: message = .resultHeader(try ResultHeader.decode(&reader, body: body))
    case 9: message = .resultBatch(try ResultBatch.decode(&reader, body: body))
    case 10: message = .resultEnd(try ResultEnd.decode(&reader, body: body))
    case 11: message = .openProducer(try OpenProducer.decode(&reader, body: body))
    case 12: message = .producerSession(try ProducerSession.decode(&reader, body: body))
    case 13: message = .list(try ListRequest.decode(&reader, body: body))
    case 14: message = .refreshRollup(try RefreshRollup.decode(&reader, body: body))
    case 15: message = .done(try Done.decode(&reader, body: body))
    case 16: message = .ingest(try Ingest.decode(&reader, body: body))
    case 17: message = .ingested(try Ingested.decode(&reader, body: body))
    case 18: message = .execute(try Execute.decode(&reader, body: body))
    case 19: message = .executeEnd(try ExecuteEnd.decode(&reader, body: body))
    case 20: message = .catalogChanged(try CatalogChanged.decode(&reader, body: body))
    case 21: message = .refreshShards(try RefreshShards.decode(&reader, body: body))
    case 22: message = .describeShards(try DescribeShards.decode(&reader, body: body))
    case 23: message = .shardReports(try ShardReports.decode(&reader, body: body))
    case 24: message = .append(try Append.decode(&reader, body: body))
    case 25: message = .appended(try Appended.decode(&reader, body: body))
    case 26: message = .alterInSync(try AlterInSync.decode(&reader, body: body))
    case 27: message = .fetchReplica(try FetchReplica.decode(&reader, body: body))
    case 28: message = .replicaManifest(try ReplicaManifest.decode(&reader, body: body))
    case 29: message = .fetchFile(try FetchFile.decode(&reader, body: body))
    case 30: message = .filePiece(try FilePiece.decode(&reader, body: body))
    case 31: message = .checkCopies(try CheckCopies.decode(&reader, body: body))
    case 32: message = .copiesChecked(try CopiesChecked.decode(&reader, body: body))
    case 40: message = .raft(try RaftEnvelope.decode(&reader, body: body))
    case 41: message = .joinGroup(try JoinGroup.decode(&reader, body: body))
    case 42: message = .joinedGroup(try JoinedGroup.decode(&reader, body: body))
    case 43: message = .readIndex(try ReadIndex.decode(&reader, body: body))
    case 44: message = .readIndexReply(try ReadIndexReply.decode(&reader, body: body))
    case 45: message = .cancelStatement(try CancelStatement.decode(&reader, body: body))
    case 46: message = .awaitWriters(try AwaitWriters.decode(&reader, body: body))
    case 48: message = .stageRows(try StageRows.decode(&reader, body: body))
    case 49: message = .staged(try Staged.decode(&reader, body: body))
    case 50: message = .decideStatement(try DecideStatement.decode(&reader, body: body))
    case 51: message = .endStatement(try EndStatement.decode(&reader, body: body))
    case 52: message = .askStatement(try AskStatement.decode(&reader, body: body))
    case 53: message = .statementAnswer(try StatementAnswer.decode(&reader, body: body))
    case 54: message = .deleteRows(try DeleteRows.decode(&reader, body: body))
    case 57: message = .modifyRows(try ModifyRows.decode(&reader, body: body))
    case 58: message = .modified(try Modified.decode(&reader, body: body))
    case 56: message = .forcePrimary(try ForcePrimary.decode(&reader, body: body))
    case 60: message = .tenant(try TenantRequest.decode(&reader, body: body))
    case 61: message = .eraseTenant(try EraseTenant.decode(&reader, body: body))
    case 62: message = .tenantErased(try TenantErased.decode(&reader, body: body))
    case 63: message = .describeErasure(try DescribeErasure.decode(&reader, body: body))
    case 64: message = .erasureReport(try ErasureReport.decode(&reader, body: body))
    case 66: message = .awaitRest(try AwaitRest.decode(&reader, body: body))
    case 70: message = .storeCatalogCopy(try StoreCatalogCopy.decode(&reader, body: body))
    case 71: message = .fetchCatalogCopy(try FetchCatalogCopy.decode(&reader, body: body))
    case 72: message = .catalogCopy(try CatalogCopy.decode(&reader, body: body))
    case 73: message = .removeCoordinator(try RemoveCoordinator.decode(&reader, body: body))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "message number \(number)")
    }
    try reader.expectEnd()
    guard body.isEmpty || message.content.body.count == body.count else {
      throw DecodingFailure(
        .malformed,
        at: reader.position,
        "\(body.count) bytes behind a \(message.name) message"
      )
    }
    return message
  }
}

extension ByteWriter {
  mutating func id<Tag>(_ id: ID<Tag>) { varint(id.rawValue) }
  mutating func hash(_ hash: Hash128) {
    u64(hash.high)
    u64(hash.low)
  }
  mutating func optional(_ text: String?) {
    bool(text != nil)
    if let text { string(text) }
  }
}

extension ByteReader {
  mutating func id<Tag>(_ tag: Tag.Type = Tag.self) throws(DecodingFailure) -> ID<Tag> {
    ID(try varint())
  }
  mutating func hash() throws(DecodingFailure) -> Hash128 {
    Hash128(high: try u64(), low: try u64())
  }
  mutating func name() throws(DecodingFailure) -> String { try string(max: Limits.nameBytesMax) }
  mutating func optional(max limit: Int) throws(DecodingFailure) -> String? {
    try bool() ? try string(max: limit) : nil
  }
  /// A list; every element takes at least one byte, so the bytes at hand bound it before memory does.
  mutating func list<T>(
    max limit: Int,
    _ what: StaticString,
    _ element: (inout ByteReader) throws(DecodingFailure) -> T
  ) throws(DecodingFailure) -> [T] {
    let count = try count(max: limit, what)
    guard count <= remaining else {
      throw DecodingFailure(.truncated, at: position, "\(what): \(count) elements")
    }
    var out: [T] = []
    for _ in 0..<count { out.append(try element(&self)) }
    return out
  }
}
