// Terminal.swift — the terminal of `tally sql`: a line at a time, edited (LineBuffer), with the history kept in the user's state directory.
//
// The terminal is raw only while a line is typed, so that a program that dies leaves it as it was. Long lines scroll sideways.
import Foundation
import SQLShell

/// Reads lines from the terminal.
final class Terminal {
  private var saved = termios()
  private var history: [String]
  private let historyFile: URL?
  private static let historyMax = 1000

  init() {
    historyFile = Self.stateFile()
    let text = historyFile.flatMap { FileManager.default.contents(atPath: $0.path) } ?? Data()
    history = String(decoding: text, as: UTF8.self).split(separator: "\n").suffix(Self.historyMax).map(String.init)
  }
  /// `$XDG_STATE_HOME/tally/history`, or `~/.local/state/tally/history`; nil where there is no home.
  private static func stateFile() -> URL? {
    let environment = ProcessInfo.processInfo.environment
    let base: URL
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      base = URL(fileURLWithPath: state)
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      base = URL(fileURLWithPath: home).appendingPathComponent(".local/state")
    } else {
      return nil
    }
    return base.appendingPathComponent("tally/history")
  }

  /// What came of a line.
  enum Input {
    case line(String)
    case interrupted
    case ended
  }
  /// Asks for a line.
  func line(prompt: String) -> Input {
    guard enterRaw() else { return readPlain(prompt) }
    defer { leaveRaw() }
    var buffer = LineBuffer(history: history)
    var keys = KeyDecoder()
    draw(prompt, buffer)
    while let byte = Self.byte() {
      guard let key = keys.take(byte) else { continue }
      switch buffer.press(key) {
      case .edited: draw(prompt, buffer)
      case .nothing: break
      case .clearScreen:
        Self.write("\u{1b}[H\u{1b}[2J")
        draw(prompt, buffer)
      case .accepted(let text):
        Self.write("\r\n")
        remember(text)
        return .line(text)
      case .interrupted:
        Self.write("^C\r\n")
        return .interrupted
      case .ended:
        Self.write("\r\n")
        return .ended
      }
    }
    return .ended
  }
  private func readPlain(_ prompt: String) -> Input {
    print(prompt, terminator: "")
    fflush(nil)
    return readLine().map { .line($0) } ?? .ended
  }
  private func remember(_ line: String) {
    guard !line.allSatisfy(\.isWhitespace), line != history.last else { return }
    history.append(line)
    if history.count > Self.historyMax { history.removeFirst() }
    guard let historyFile else { return }
    // A history that cannot be kept is no reason to stop.
    let directory = historyFile.deletingLastPathComponent()
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let text = history.joined(separator: "\n") + "\n"
      try Data(text.utf8).write(to: historyFile, options: .atomic)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: historyFile.path)
    } catch { history.removeFirst(max(0, history.count - Self.historyMax)) }
  }

  // MARK: The screen

  private var columns: Int {
    var size = winsize()
    return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
  }
  private func draw(_ prompt: String, _ buffer: LineBuffer) {
    let room = max(10, columns - prompt.count - 1)
    let characters = buffer.characters
    var start = 0
    while DisplayWidth.of(String(characters[start..<buffer.cursor])) >= room { start += 1 }
    var (end, width) = (start, 0)
    while end < characters.count, width + DisplayWidth.of(characters[end]) <= room {
      width += DisplayWidth.of(characters[end])
      end += 1
    }
    let place = prompt.count + DisplayWidth.of(String(characters[start..<buffer.cursor]))
    Self.write("\r" + prompt + String(characters[start..<end]) + "\u{1b}[K\r" + (place > 0 ? "\u{1b}[\(place)C" : ""))
  }
  private static func write(_ text: String) {
    print(text, terminator: "")
    fflush(nil)
  }
  private static func byte() -> UInt8? {
    var byte: UInt8 = 0
    while true {
      let count = read(0, &byte, 1)
      if count == 1 { return byte }
      if count == 0 || errno != EINTR { return nil }
    }
  }
  private func enterRaw() -> Bool {
    guard isatty(0) == 1, isatty(1) == 1, tcgetattr(0, &saved) == 0 else { return false }
    var raw = saved
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    raw.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR)
    return tcsetattr(0, TCSADRAIN, &raw) == 0
  }
  private func leaveRaw() { _ = tcsetattr(0, TCSADRAIN, &saved) }
}
