// The bytes of the command log, the vote file, members and snapshots: frozen, whole or refused; version 1 is still read.
import Bytes
import Model
import Testing

@testable import Consensus

/// A file of records; the ones from `from` on were written when everything before them was durable.
private func file(_ records: [CommandRecord], version: UInt16 = 2, snapshotChain: Hash128 = .zero) -> [UInt8] {
  var bytes = CommandRecordFormat.header(ClusterID(high: 1, low: 2), version: version)
  var chains: [UInt64: Hash128] = [:]
  for record in records {
    let chain =
      record.kind == .snapshot && version > 1
      ? snapshotChain : CommandRecordFormat.link(record, after: chains[record.index - 1] ?? .zero)
    chains[record.index] = chain
    var record = CommandRecordFormat.encode(record, chain: chain, synced: UInt64(bytes.count))
    if version == 1 {
      record.removeSubrange(41..<49)
      let sum = CRC32C.checksum(Array(record[4...]))
      for at in 0..<4 { record[at] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * at)) }
    }
    bytes += record
  }
  return bytes
}
private func command(_ index: UInt64, _ body: [UInt8], term: UInt64 = 1) -> CommandRecord {
  CommandRecord(index: index, term: term, kind: .command, body: body)
}
private func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

struct CommandLogTests {
  @Test func theBytesAreFrozen() {
    #expect(
      hex(file([command(1, [1, 2, 3]), CommandRecord(index: 2, term: 3, kind: .nothing, body: [])]))
        == "54434d44020000000100000000000000020000000000000099af2381"
        + "06c52571030000000100000000000000010000000000000002a5c2466d882d7c7fa4a31cda182072c01c00000000000000010203"
        + "fadec1810000000002000000000000000300000000000000030fd09ea899e71ac0d2e146a89d39c4c65000000000000000"
    )
  }
  @Test func version1IsStillRead() throws {
    // As the first version wrote it: a snapshot of state [9], then two commands.
    let old = file(
      [CommandRecord(index: 7, term: 1, kind: .snapshot, body: [9]), command(8, [1, 2, 3]), command(9, [4])],
      version: 1
    )
    #expect(hex(old).hasPrefix("54434d440100000001000000000000000200000000000000"))
    #expect(old.count == CommandRecordFormat.headerBytes + 3 * 41 + 5)
    let contents = try CommandRecordFormat.decode(old)
    #expect(contents.version == 1 && contents.records.map(\.index) == [7, 8, 9] && contents.validBytes == old.count)
    #expect(contents.records.map(\.body) == [[9], [1, 2, 3], [4]])
  }
  @Test func aTornTailIsCutWhereverItWasTorn() throws {
    let whole = file([command(1, [1]), command(2, [2, 2]), command(3, [3, 3, 3])])
    let two = file([command(1, [1]), command(2, [2, 2])])
    for length in two.count..<whole.count {
      let contents = try CommandRecordFormat.decode(Array(whole[..<length]))
      #expect(contents.records.map(\.body) == [[1], [2, 2]] && contents.validBytes == two.count)
    }
  }
  @Test func aHoleInWhatWasWrittenTogetherIsATornTailAndInWhatWasDurableIsRot() throws {
    let durable = file([command(1, [1]), command(2, [2, 2]), command(3, [3, 3, 3])])
    let (one, two) = (file([command(1, [1])]).count, file([command(1, [1]), command(2, [2, 2])]).count)
    var bytes = durable
    bytes[one + CommandRecordFormat.recordHeaderBytes] ^= 1
    #expect(throws: DecodingFailure.self) { try CommandRecordFormat.decode(bytes) }
    // The same two records written by one write behind the first: their sectors may reach the disk in any order.
    let chain1 = CommandRecordFormat.link(command(1, [1]), after: .zero)
    let chain2 = CommandRecordFormat.link(command(2, [2, 2]), after: chain1)
    let chain3 = CommandRecordFormat.link(command(3, [3, 3, 3]), after: chain2)
    bytes = Array(durable[..<one])
    bytes += CommandRecordFormat.encode(command(2, [2, 2]), chain: chain2, synced: UInt64(one))
    bytes += CommandRecordFormat.encode(command(3, [3, 3, 3]), chain: chain3, synced: UInt64(one))
    #expect(try CommandRecordFormat.decode(bytes).records.count == 3)
    for at in one..<two { bytes[at] = 0 }
    let contents = try CommandRecordFormat.decode(bytes)
    #expect(contents.records.map(\.body) == [[1]] && contents.validBytes == one)
    var head = durable
    head[10] ^= 1
    #expect(throws: DecodingFailure.self) { try CommandRecordFormat.decode(head) }
  }
  @Test func aRecordAtAnIndexThatIsThereVoidsTheTail() throws {
    let bytes = file([
      command(1, [1]), command(2, [2], term: 1), command(3, [3], term: 1), command(2, [7], term: 2), command(3, [8], term: 3),
    ])
    let contents = try CommandRecordFormat.decode(bytes)
    #expect(contents.records == [command(1, [1]), command(2, [7], term: 2), command(3, [8], term: 3)])
    // Cut within what replaces it, the replaced tail stands again: nothing was said about it.
    let three = file([command(1, [1]), command(2, [2]), command(3, [3])])
    #expect(try CommandRecordFormat.decode(Array(bytes[..<(three.count + 20)])).records.map(\.body) == [[1], [2], [3]])
  }
  @Test func aSnapshotBeginsAFileAndOnlyThat() throws {
    let members = Members([Member(id: MemberID(5), name: "c", address: "h:1", isVoter: true)])
    let snapshot = RaftSnapshot(index: 4, term: 2, chain: Hash128(high: 8, low: 9), members: members, state: [1, 2])
    let first = CommandRecord(index: 4, term: 2, kind: .snapshot, body: SnapshotFormat.encode(snapshot))
    let contents = try CommandRecordFormat.decode(file([first, command(5, [5], term: 2)], snapshotChain: snapshot.chain))
    #expect(contents.records.count == 2 && contents.chains[0] == snapshot.chain)
    #expect(try SnapshotFormat.decode(first.body, index: 4, term: 2, chain: snapshot.chain) == snapshot)
    #expect(
      try CommandRecordFormat.decode(file([command(1, [1]), CommandRecord(index: 2, term: 2, kind: .snapshot, body: [])])).records.count
        == 1
    )
    #expect(try CommandRecordFormat.decode(file([command(2, [1])])).records.isEmpty)
  }
}

struct VoteFileTests {
  @Test func theBytesAreFrozenAndWholeOrRefused() throws {
    let state = HardState(term: 7, vote: MemberID(3))
    let bytes = VoteFormat.encode(ClusterID(high: 1, low: 2), member: MemberID(9), state)
    #expect(
      hex(bytes) == "54564f54010000000100000000000000020000000000000009000000000000000700000000000000030000000000000078f2c7e9"
    )
    let read = try VoteFormat.decode(bytes)
    #expect(read.state == state && read.member == MemberID(9) && read.cluster == ClusterID(high: 1, low: 2))
    for bit in 0..<bytes.count * 8 {
      var bad = bytes
      bad[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: DecodingFailure.self) { try VoteFormat.decode(bad) }
    }
    for cut in 0..<bytes.count { #expect(throws: DecodingFailure.self) { try VoteFormat.decode(Array(bytes[..<cut])) } }
  }
  @Test func membersOutOfOrderAreRefused() throws {
    let members = Members((1...3).map { Member(id: MemberID($0), name: "c\($0)", address: "h:\($0)", isVoter: $0 < 3) })
    #expect(try Members.decode(members.encoded()) == members)
    var swapped = members.encoded()
    swapped[1] = 200
    #expect(throws: DecodingFailure.self) { try Members.decode(swapped) }
    #expect(!members.isQuorum([MemberID(1), MemberID(3)]) && members.isQuorum([MemberID(1), MemberID(2)]))
  }
}
