// SequenceFlow.swift — numbers of sequences for this coordinator's statements: blocks of them from the catalog's log, kept for the next
// statement.
//
// A block is handed out once and by whoever leads; numbers of it that are not used before this coordinator ends are never used (gaps),
// and no number is used twice. Blocks begin with 32 numbers and grow while they are used up.
import Capabilities
import Columns
import Model
import Planning
import RPC
import SQL
import Wire

/// Numbers at hand, by sequence.
struct NumberBlocks {
  private struct Block {
    var numbers: ArraySlice<Int64> = []
    /// How many are asked for next.
    var size = firstSize
  }
  static let firstSize = 32
  private static let sizeMax = 8192
  private var blocks: [TableID: Block] = [:]
  /// How often numbers were forgotten; then when those of a sequence, and all, were last.
  private(set) var voids: UInt64 = 0
  private var voided: [TableID: UInt64] = [:]
  private var allVoided: UInt64 = 0

  /// Up to `count` numbers.
  mutating func take(_ count: Int, of id: TableID) -> [Int64] {
    guard var block = blocks[id] else { return [] }
    let taken = Array(block.numbers.prefix(count))
    block.numbers = block.numbers.dropFirst(taken.count)
    blocks[id] = block
    return taken
  }
  /// How many to ask for when `count` are needed.
  mutating func ask(_ count: Int, of id: TableID) -> Int {
    var block = blocks[id] ?? Block()
    defer { blocks[id] = block }
    let size = max(block.size, count)
    block.size = min(Self.sizeMax, block.size * 2)
    return size
  }
  mutating func add(_ numbers: [Int64], of id: TableID) { blocks[id, default: Block()].numbers.append(contentsOf: numbers) }
  /// Numbers that a statement did not use: the next gets them first.
  mutating func giveBack(_ numbers: [Int64], of id: TableID) {
    var block = blocks[id] ?? Block()
    block.numbers = ArraySlice(numbers + block.numbers)
    blocks[id] = block
  }
  mutating func void(_ id: TableID) {
    voids += 1
    voided[id] = voids
    blocks[id] = nil
  }
  /// Forgets all of them, and those that are on their way.
  mutating func voidAll() {
    voids += 1
    allVoided = voids
    blocks = [:]
  }
  /// Whether numbers that somebody has since `voids` was that are not to be kept for others.
  func isVoid(_ id: TableID, since: UInt64) -> Bool { max(allVoided, voided[id] ?? 0) > since }
}

extension Coordinator {
  /// Evaluates what may call nextval; again, from where it was begun, while numbers are lacking. `body` has no effects but its result;
  /// `hint`: how many it may need.
  func withNumbers<R: Sendable>(
    _ request: StatementRequest,
    hint: Int = 1,
    _ body: @Sendable () async throws -> R
  ) async throws -> R {
    let numbers = request.facts.numbers
    let mark = numbers.mark
    while true {
      do { return try await body() } catch {
        guard let (id, had) = numbers.takeLack() else { throw error }
        // As many again as it had: an evaluation of n rows is repeated log n times at most.
        let more = try await takeNumbers(max(hint, had, 1), of: id, deadline: request.deadline)
        numbers.add(more, of: id)
        numbers.reset(to: mark)
      }
    }
  }
  /// What a statement's end does to sequences: unused numbers stay at hand, setval takes effect.
  func settleNumbers(_ request: StatementRequest) async throws {
    for setting in giveBackNumbers(request) {
      // Before, so that nobody takes old ones meanwhile; and after, as some may have come meanwhile.
      numberBlocks.void(setting.sequence)
      defer { numberBlocks.void(setting.sequence) }
      try await set(setting, deadline: request.deadline)
    }
  }
  /// What a failed statement's end does; gives what setval said.
  @discardableResult func giveBackNumbers(_ request: StatementRequest) -> [StatementNumbers.Setting] {
    let (unused, settings) = request.facts.numbers.settle(into: request.facts.sessionNumbers)
    for (id, numbers) in unused where !numberBlocks.isVoid(id, since: request.voidsBefore) { numberBlocks.giveBack(numbers, of: id) }
    return settings
  }
  /// Forgets numbers at hand (LOCK TABLE, DROP SEQUENCE): the next ones are greater than all that were used.
  func voidNumbers(of sequences: [TableID]) { for id in sequences { numberBlocks.void(id) } }

  /// Numbers of a sequence, never given out before: as many as wanted, or what is left of it. Throws 2200H when there is none.
  private func takeNumbers(_ count: Int, of id: TableID, deadline: Instant) async throws -> [Int64] {
    var numbers = numberBlocks.take(count, of: id)
    while numbers.count < count {
      let before = numberBlocks.voids
      let asked = numberBlocks.ask(count - numbers.count, of: id)
      let fresh: [Int64]
      do { fresh = try await freshNumbers(asked, of: id, deadline: deadline) } catch let error as TallyError
        where error.sqlState == "2200H" && !numbers.isEmpty
      { break }
      // Others may have added some meanwhile; the rest is for later.
      let wanted = min(count - numbers.count, fresh.count)
      numbers += fresh.prefix(wanted)
      if !numberBlocks.isVoid(id, since: before) { numberBlocks.add(Array(fresh.dropFirst(wanted)), of: id) }
    }
    return numbers
  }
  private func freshNumbers(_ count: Int, of id: TableID, deadline: Instant) async throws -> [Int64] {
    if await decides {
      guard case .numbers(let first, let given) = try await log.propose(.takeNumbers(id, count: Int64(count))) else {
        throw TallyError(.internalError, "numbers of a sequence were asked for and something else came")
      }
      let step = await log.catalog.sequence(id)?.increment ?? 1
      return (0..<given).map { first &+ $0 &* step }
    }
    // The leader's own statement takes them.
    let text = "SELECT pg_catalog.nextval('\(ObjectNumbers.relation(id))'::regclass) FROM generate_series(1, \(count)) AS n"
    var numbers: [Int64] = []
    for message in try await askLeader(.query(QueryRequest(sql: text, statementTime: wallMicroseconds)), until: deadline) {
      guard case .resultBatch(let result) = message else { continue }
      let batch = try BatchFormat.decode(result.batch, types: [.bigint])
      if case .fixed(let column) = batch.columns[0].values { numbers += column }
    }
    return numbers
  }
  private func set(_ setting: StatementNumbers.Setting, deadline: Instant) async throws {
    if await decides {
      _ = try await log.propose(.setSequence(setting.sequence, value: setting.value, isTaken: setting.isTaken))
      return
    }
    let oid = ObjectNumbers.relation(setting.sequence)
    let text = "SELECT pg_catalog.setval('\(oid)'::regclass, \(setting.value), \(setting.isTaken))"
    _ = try await askLeader(.query(QueryRequest(sql: text, statementTime: wallMicroseconds)), until: deadline)
  }
}
