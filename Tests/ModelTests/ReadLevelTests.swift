// ReadLevelTests.swift — the text of read levels, and the order of what a session has seen.
import Model
import Testing

@Test func readLevelsAreRead() throws {
  #expect(try ReadLevel("latest") == .latest)
  #expect(try ReadLevel(" Session ") == .session)
  for text in ["stale 5s", "stale(5 s)", "STALE 5 s", "stale 5000ms", "stale(5000 ms)"] {
    #expect(try ReadLevel(text) == .stale(max: .seconds(5)), "\(text)")
  }
  #expect(try ReadLevel("stale 2min") == .stale(max: .seconds(120)) && ReadLevel("stale 24h") == .stale(max: .seconds(86_400)))
  for level: ReadLevel in [.latest, .session, .stale(max: .milliseconds(1)), .stale(max: .milliseconds(1500)), .stale(max: .seconds(7))] {
    #expect(try ReadLevel(level.description) == level)
  }
}

@Test func readLevelsThatCannotBeAreRefusedWithAHint() {
  let wrong = [
    "", "newest", "stale", "stale 0s", "stale 5", "stale 5 parsecs", "stale -1s", "stale 25h", "stale 99999999999999999h", "session 5s",
  ]
  for text in wrong {
    let error = #expect(throws: TallyError.self, "\(text)") { try ReadLevel(text) }
    #expect(error?.sqlState == "22023" && error?.hint == ReadLevel.hint)
  }
  #expect(throws: TallyError.self) { try ReadLevel.stale(max: .zero).check() }
}

@Test func aTokenKeepsTheGreatestPlaceOfEachShard() {
  func at(_ shard: UInt64, _ epoch: UInt64, _ position: UInt64) -> ShardPoint {
    ShardPoint(shard: ShardID(shard), point: LogPoint(epoch: Epoch(epoch), position: LogPosition(position)))
  }
  var token = SessionToken([at(2, 1, 9), at(1, 3, 4)])
  token.note(at(2, 1, 8))
  #expect(token[ShardID(2)] == at(2, 1, 9).point, "never back")
  token.merge(SessionToken([at(2, 2, 5), at(7, 1, 1)]))
  // A later epoch covers all that was committed in earlier ones.
  #expect(token.points == [at(1, 3, 4), at(2, 2, 5), at(7, 1, 1)])
  #expect(token[ShardID(99)] == .start)
}
