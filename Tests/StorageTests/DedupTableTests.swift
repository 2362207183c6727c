// DedupTableTests.swift — duplicates, conflicts, the window and expiry of batch keys; bytes of the checkpoint.
import Bytes
import Model
import Testing

@testable import Storage

private func key(_ sequence: UInt64, session: UInt64 = 5, doneBelow: UInt64 = 0) -> SequenceKey {
  SequenceKey(session: SessionID(session), sequence: sequence, doneBelow: doneBelow)
}
private let content = Hash128(high: 11, low: 12)
private let other = Hash128(high: 13, low: 12)

struct DedupTableTests {
  @Test func aKeyTakesEffectOnce() {
    var table = DedupTable()
    #expect(table.check(key(0), contentHash: content) == .new)
    table.record(key(0), contentHash: content, at: LogPosition(3), logTime: 10)
    #expect(table.check(key(0), contentHash: content) == .duplicate(LogPosition(3)))
    #expect(table.check(key(0), contentHash: other) == .conflict)
    #expect(table.check(key(0, session: 6), contentHash: content) == .new)
  }
  @Test func reorderedBatchesAreNotTakenForDuplicates() {
    var table = DedupTable()
    for sequence in [9, 3, 7, 0] as [UInt64] {
      #expect(table.check(key(sequence), contentHash: content) == .new)
      table.record(key(sequence), contentHash: content, at: LogPosition(sequence + 1), logTime: 10)
    }
    for sequence in 0...10 as ClosedRange<UInt64> {
      let isKnown = [9, 3, 7, 0].contains(sequence)
      #expect(
        table.check(key(sequence), contentHash: content) == (isKnown ? .duplicate(LogPosition(sequence + 1)) : .new)
      )
    }
  }
  @Test func belowTheWindowTheOutcomeIsUnknown() {
    var table = DedupTable()
    table.record(key(5000), contentHash: content, at: LogPosition(1), logTime: 10)
    #expect(table.check(key(5000 - 1024), contentHash: content) == .expired)
    #expect(table.check(key(5000 - 1023), contentHash: content) == .new)
    table.record(key(5001, doneBelow: 4500), contentHash: content, at: LogPosition(2), logTime: 10)
    #expect(table.check(key(100), contentHash: content) == .duplicate(nil))
    #expect(table.check(key(4600), contentHash: content) == .new)
  }
  @Test func aLongSessionStaysSmallAndRemembersItsBeginning() {
    var table = DedupTable()
    for sequence in 0..<5000 as Range<UInt64> {
      table.record(
        key(sequence, doneBelow: sequence > 8 ? sequence - 8 : 0),
        contentHash: content,
        at: LogPosition(sequence + 1),
        logTime: 10
      )
    }
    #expect(table.check(key(0), contentHash: other) == .conflict)
    #expect(table.check(key(100), contentHash: content) == .duplicate(nil))
    #expect(table.check(key(4999), contentHash: content) == .duplicate(LogPosition(5000)))
    var out = ByteWriter()
    table.encode(into: &out)
    #expect(out.count < 1000)
  }
  @Test func sessionsAreForgottenByLogTimeAndTheirKeysAreNotNew() {
    var table = DedupTable()
    let hour = KeyLifetimes.step
    table.record(key(0, session: 4), contentHash: content, at: LogPosition(1), logTime: hour - 1)
    table.record(key(0, session: 6), contentHash: content, at: LogPosition(2), logTime: hour + 1)
    // By whole hours.
    #expect(table.expiryDue(at: hour - 1 + KeyLifetimes.sessionRetention) == nil)
    #expect(table.expiryDue(at: hour + KeyLifetimes.sessionRetention) == hour)
    table.expire(through: hour)
    #expect(table.sessionCount == 1 && table.expiredThrough == SessionID(4))
    #expect(table.check(key(0, session: 4), contentHash: content) == .expired)
    #expect(table.check(key(0, session: 3), contentHash: content) == .expired)
    #expect(table.check(key(0, session: 5), contentHash: content) == .new)
    #expect(table.check(key(0, session: 6), contentHash: content) == .duplicate(LogPosition(2)))
  }
  @Test func theCheckpointComesBackAndBrokenOnesAreErrors() throws {
    var table = DedupTable()
    for session in [9, 2, 5] as [UInt64] {
      for sequence in [0, 4, 2] as [UInt64] {
        table.record(
          key(sequence, session: session),
          contentHash: content,
          at: LogPosition(sequence),
          logTime: Int64(session)
        )
      }
    }
    table.expire(through: 2)
    var out = ByteWriter()
    table.encode(into: &out)
    let bytes = out.finish()
    #expect(Murmur3.hash(bytes).description == goldenTable)
    let decoded = try bytes.withReader { reader throws(DecodingFailure) in try DedupTable.decode(&reader) }
    #expect(decoded == table)
    for count in bytes.indices {
      #expect(throws: DecodingFailure.self) {
        try Array(bytes.prefix(count)).withReader { reader throws(DecodingFailure) in try DedupTable.decode(&reader) }
      }
    }
  }
}

private let goldenTable = "de1a4ca1ebbb94953e44d8084681a169"
