// RegexTests.swift — regular expressions that PostgresExpressionTests does not reach: long, nested, hard for those that go back.
import Model
import Testing

@testable import Planning

private func scalars(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }
private func failure(_ pattern: String) -> TallyError? {
  do throws(TallyError) {
    _ = try Regex(pattern, RegexFlags())
    return nil
  } catch { return error }
}

@Test func longExpressionsNeitherNestNorTrap() throws {
  let long = String(repeating: "ab?", count: 6000)
  let regex = try Regex("^\(long)$", RegexFlags())
  #expect(regex.matches(scalars(String(repeating: "a", count: 6000))))
  #expect(failure(String(repeating: "a", count: 60_000))?.sqlState == "2201B")
  #expect(failure(String(repeating: "(", count: 5000))?.sqlState == "2201B")
  #expect(failure(String(repeating: "((((a{255}){255}){255}){255})", count: 1))?.sqlState == "2201B")
}

@Test func timeIsLinearInTheText() throws {
  let text = scalars(String(repeating: "a", count: 3000) + "c")
  #expect(!(try Regex("(a*)*b", RegexFlags()).matches(text)))
  #expect(!(try Regex("(a|aa)+$", RegexFlags()).matches(text)))
  #expect(try Regex("a*?c", RegexFlags()).search(text, from: 0) == 0..<3001)
}

@Test func groupsOfSequencesAndRepetitions() throws {
  func groups(_ pattern: String, _ text: String) throws -> [String?] {
    let (regex, all) = (try Regex(pattern, RegexFlags()), scalars(text))
    guard let match = regex.search(all, from: 0) else { return [] }
    return regex.groups(all, match).map { $0.map { ScalarFunctions.text(ofScalars: all[$0]) } }
  }
  #expect(try groups("(a)(b)?(c)", "xac") == ["a", nil, "c"])
  #expect(try groups("(?:(a)|b)+", "ab") == [nil])
  #expect(try groups("((a)|(b))*c", "abc") == ["b", nil, "b"])
  #expect(try groups("(.*)-(\\d+)-(.*)", "x-1-2-y") == ["x-1", "2", "y"])
}
