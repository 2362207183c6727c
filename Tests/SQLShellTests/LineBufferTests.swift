// LineBufferTests.swift — keys on a line, byte by byte as a terminal sends them.
import SQLShell
import Testing

private struct Typist {
  var buffer: LineBuffer
  var decoder = KeyDecoder()
  var last = LineBuffer.Outcome.nothing
  init(history: [String] = []) { buffer = LineBuffer(history: history) }
  mutating func type(_ text: String) {
    for byte in text.utf8 { if let key = decoder.take(byte) { last = buffer.press(key) } }
  }
  var shown: String { String(buffer.characters[..<buffer.cursor]) + "|" + String(buffer.characters[buffer.cursor...]) }
}
private func typed(_ text: String, history: [String] = []) -> String {
  var typist = Typist(history: history)
  typist.type(text)
  return typist.shown
}

@Test func keysEditTheLine() {
  #expect(typed("abc\u{1b}[D\u{1b}[DX") == "aX|bc" && typed("abc\u{1}X\u{5}Y") == "XabcY|")
  #expect(typed("abc\u{1b}[HX\u{1b}[FY") == "XabcY|" && typed("abc\u{1b}OHX") == "X|abc" && typed("abc\u{1b}[1~X\u{1b}[4~") == "Xabc|")
  #expect(typed("abc\u{7f}") == "ab|" && typed("abc\u{1}\u{1b}[3~") == "|bc" && typed("abc\u{1}\u{4}") == "|bc")
  #expect(typed("select one two\u{17}") == "select one |" && typed("select one\u{2}\u{2}\u{b}") == "select o|")
  #expect(
    typed("select one\u{2}\u{15}") == "|e" && typed("a b c\u{1b}b\u{1b}bX") == "a X|b c" && typed("one two\u{1b}[1;5D\u{1b}d") == "one |"
  )
  #expect(typed("ab\u{14}") == "ba|" && typed("aé😀\u{2}X") == "aéX|😀" && typed("a\tb") == "a b|")
  // What is not known is dropped whole.
  #expect(typed("a\u{1b}[15~b\u{1b}[200~c\u{1b}xd") == "abcd|")
}
@Test func historyIsWalked() {
  let up = "\u{1b}[A"
  let down = "\u{1b}[B"
  #expect(typed("dr\(up)", history: ["one", "two"]) == "two|" && typed("dr\(up)\(up)\(up)", history: ["one", "two"]) == "one|")
  #expect(typed("dr\(up)\(up)\(down)\(down)", history: ["one", "two"]) == "dr|" && typed("dr\u{10}!\u{e}", history: ["one"]) == "dr|")
}
@Test func linesEnd() {
  func outcome(_ text: String) -> LineBuffer.Outcome {
    var typist = Typist()
    typist.type(text)
    return typist.last
  }
  #expect(outcome("select 1;\r") == .accepted("select 1;") && outcome("x\u{3}") == .interrupted && outcome("\u{4}") == .ended)
  #expect(outcome("\u{c}") == .clearScreen && outcome("\u{1b}[D") == .edited && outcome("\u{7f}") == .nothing)
}
