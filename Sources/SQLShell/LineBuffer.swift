// LineBuffer.swift — one line being edited: what each key does to it, as a value. Keys come from KeyDecoder, the screen is the program's.
//
// The keys of readline that hands know: arrows, Home and End, Ctrl-A E B F P N K U W D T L C, Alt-B F D, Delete, Backspace.

/// A key, decoded.
public enum Key: Equatable, Sendable {
  case character(Character)
  case enter
  case tab
  case backspace
  case delete
  case left
  case right
  case up
  case down
  case home
  case end
  case wordLeft
  case wordRight
  case killToEnd
  case killToStart
  case killWord
  case killNextWord
  case transpose
  case clearScreen
  case interrupt
  /// Ctrl-D: the end of the input on an empty line, else Delete.
  case endOfInput
}

/// A line and a cursor in it, over a history.
public struct LineBuffer: Sendable {
  /// What a key asks of the program.
  public enum Outcome: Equatable, Sendable {
    /// The line changed, or the cursor.
    case edited
    /// The line is done.
    case accepted(String)
    case interrupted
    case ended
    case clearScreen
    case nothing
  }
  /// The characters.
  public private(set) var characters: [Character] = []
  /// Characters before the cursor.
  public private(set) var cursor = 0
  private let history: [String]
  /// Entry of the history that is shown; its count is the line itself.
  private var place: Int
  private var draft: [Character] = []

  /// An empty line.
  public init(history: [String] = []) {
    self.history = history
    place = history.count
  }
  /// The line.
  public var text: String { String(characters) }

  /// Does what a key means.
  public mutating func press(_ key: Key) -> Outcome {
    switch key {
    case .character(let character):
      characters.insert(character, at: cursor)
      cursor += 1
    case .tab: return press(.character(" "))
    case .enter: return .accepted(text)
    case .interrupt: return .interrupted
    case .clearScreen: return .clearScreen
    case .endOfInput:
      if characters.isEmpty { return .ended }
      return press(.delete)
    case .backspace:
      guard cursor > 0 else { return .nothing }
      cursor -= 1
      characters.remove(at: cursor)
    case .delete:
      guard cursor < characters.count else { return .nothing }
      characters.remove(at: cursor)
    case .left: cursor = max(0, cursor - 1)
    case .right: cursor = min(characters.count, cursor + 1)
    case .home: cursor = 0
    case .end: cursor = characters.count
    case .wordLeft: cursor = wordStart
    case .wordRight: cursor = wordEnd
    case .killToEnd: characters.removeSubrange(cursor...)
    case .killToStart:
      characters.removeSubrange(..<cursor)
      cursor = 0
    case .killWord:
      var start = cursor
      while start > 0, characters[start - 1].isWhitespace { start -= 1 }
      while start > 0, !characters[start - 1].isWhitespace { start -= 1 }
      characters.removeSubrange(start..<cursor)
      cursor = start
    case .killNextWord: characters.removeSubrange(cursor..<wordEnd)
    case .transpose:
      guard characters.count > 1, cursor > 0 else { return .nothing }
      if cursor == characters.count { cursor -= 1 }
      characters.swapAt(cursor - 1, cursor)
      cursor += 1
    case .up: return show(place - 1)
    case .down: return show(place + 1)
    }
    return .edited
  }
  private var wordStart: Int {
    var at = cursor
    while at > 0, !characters[at - 1].isLetter, !characters[at - 1].isNumber { at -= 1 }
    while at > 0, characters[at - 1].isLetter || characters[at - 1].isNumber { at -= 1 }
    return at
  }
  private var wordEnd: Int {
    var at = cursor
    while at < characters.count, !characters[at].isLetter, !characters[at].isNumber { at += 1 }
    while at < characters.count, characters[at].isLetter || characters[at].isNumber { at += 1 }
    return at
  }
  private mutating func show(_ wanted: Int) -> Outcome {
    guard (0...history.count).contains(wanted) else { return .nothing }
    if place == history.count { draft = characters }
    place = wanted
    characters = wanted == history.count ? draft : Array(history[wanted])
    cursor = characters.count
    return .edited
  }
}

/// Bytes of a terminal → keys. Sequences that are not known are dropped whole.
public struct KeyDecoder: Sendable {
  private var pending: [UInt8] = []
  /// Waits for nothing.
  public init() {}
  /// Whether a sequence is half read.
  public var isWaiting: Bool { !pending.isEmpty }

  /// Takes a byte; gives the key that it completes.
  public mutating func take(_ byte: UInt8) -> Key? {
    pending.append(byte)
    let (key, isDone) = decoded()
    if isDone { pending = [] }
    return key
  }
  private func decoded() -> (Key?, isDone: Bool) {
    let first = pending[0]
    if first == 0x1b { return escape() }
    if first < 0x20 || first == 0x7f { return (Self.controls[first], true) }
    if first < 0x80 { return (.character(Character(Unicode.Scalar(first))), true) }
    let length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
    if pending.count < length { return (nil, false) }
    return (String(validating: pending, as: UTF8.self)?.first.map { .character($0) }, true)
  }
  private static let controls: [UInt8: Key] = [
    0x01: .home, 0x02: .left, 0x03: .interrupt, 0x04: .endOfInput, 0x05: .end, 0x06: .right, 0x08: .backspace, 0x09: .tab, 0x0a: .enter,
    0x0b: .killToEnd, 0x0c: .clearScreen, 0x0d: .enter, 0x0e: .down, 0x10: .up, 0x14: .transpose, 0x15: .killToStart, 0x17: .killWord,
    0x7f: .backspace,
  ]
  private func escape() -> (Key?, isDone: Bool) {
    guard pending.count > 1 else { return (nil, false) }
    switch pending[1] {
    case UInt8(ascii: "["), UInt8(ascii: "O"):
      guard pending.count > 2 else { return (nil, false) }
      let last = pending[pending.count - 1]
      // Numbers and semicolons are parameters; a byte from @ on ends the sequence.
      guard last >= 0x40, last != UInt8(ascii: "[") || pending.count > 3 else { return (nil, pending.count > 16) }
      let parameters = String(decoding: pending[2..<(pending.count - 1)], as: UTF8.self)
      let isModified = parameters.hasSuffix(";5") || parameters.hasSuffix(";3")
      switch last {
      case UInt8(ascii: "A"): return (.up, true)
      case UInt8(ascii: "B"): return (.down, true)
      case UInt8(ascii: "C"): return (isModified ? .wordRight : .right, true)
      case UInt8(ascii: "D"): return (isModified ? .wordLeft : .left, true)
      case UInt8(ascii: "H"): return (.home, true)
      case UInt8(ascii: "F"): return (.end, true)
      case UInt8(ascii: "~"):
        switch parameters {
        case "1", "7": return (.home, true)
        case "4", "8": return (.end, true)
        case "3": return (.delete, true)
        default: return (nil, true)
        }
      default: return (nil, true)
      }
    case UInt8(ascii: "b"): return (.wordLeft, true)
    case UInt8(ascii: "f"): return (.wordRight, true)
    case UInt8(ascii: "d"): return (.killNextWord, true)
    default: return (nil, true)
    }
  }
}
