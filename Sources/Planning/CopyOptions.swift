// CopyOptions.swift — the options of COPY: which there are, what they default to, which go together. Words and order of the checks are
// PostgreSQL 15's, so that the error that a client knows comes first.
//
// ENCODING takes UTF8 (by any of its names) only; FREEZE is accepted and means nothing, as rows never need freezing here; ON_ERROR of
// later versions is taken with its default, `stop`, only.
import Model
import SQL

/// What COPY's data looks like.
public struct CopyOptions: Sendable, Equatable {
  /// Forms of the data.
  public enum Format: Sendable {
    case text
    case csv
    case binary
  }
  /// The first line.
  public enum Header: Sendable {
    case none
    /// Names, which are skipped when read.
    case present
    /// Names, which must be those of the columns.
    case match
  }
  /// Columns that an option names.
  public enum Columns: Sendable, Equatable {
    case all
    case named([String])
    /// The numbers of the fields, from 0, that are meant, of so many.
    func fields(of names: [String], option: String) throws(TallyError) -> [Bool] {
      guard case .named(let wanted) = self else { return names.map { _ in true } }
      var result = names.map { _ in false }
      for name in wanted {
        guard let field = names.firstIndex(of: name) else {
          throw .sql("42P10", "\(option) column \"\(name)\" not referenced by COPY")
        }
        result[field] = true
      }
      return result
    }
  }
  /// The form.
  public var format = Format.text
  /// Between fields.
  public var delimiter: UInt8 = 0x09
  /// What stands for NULL.
  public var nullText: [UInt8] = Array("\\N".utf8)
  /// The first line.
  public var header = Header.none
  /// CSV: around fields.
  public var quote: UInt8 = 0x22
  /// CSV: before a quote in quotes.
  public var escape: UInt8 = 0x22
  /// CSV TO: by field, whether it is always quoted; empty = none.
  public var forceQuote: [Bool] = []
  /// CSV FROM: by field, whether the NULL text is NULL in quotes too; empty = none.
  public var forceNull: [Bool] = []
  /// CSV FROM: by field, whether the NULL text is a text; empty = none.
  public var forceNotNull: [Bool] = []
  /// The defaults of a form.
  public init(format: Format = .text) {
    self.format = format
    if format == .csv {
      delimiter = 0x2c
      nullText = []
    }
  }
}

/// Options as they were given, before they are checked against each other.
struct GivenCopyOptions {
  var options = CopyOptions()
  private var forceQuote: CopyOptions.Columns?
  private var forceNull: CopyOptions.Columns?
  private var forceNotNull: CopyOptions.Columns?

  /// Reads and checks options; PostgreSQL's ProcessCopyOptions in effect.
  init(_ given: [CopySyntax.Option], isFrom: Bool) throws(TallyError) {
    var seen: Set<String> = []
    var format: CopyOptions.Format?
    var header = CopyOptions.Header.none
    var (delimiter, null, quote, escape): (String?, String?, String?, String?)
    for option in given {
      let name = option.name.name
      guard seen.insert(name).inserted else {
        throw .sql("42601", "conflicting or redundant options", position: option.name.position)
      }
      switch name {
      case "format":
        switch try Self.text(option) {
        case "text": format = .text
        case "csv": format = .csv
        case "binary": format = .binary
        case let other: throw .sql("22023", "COPY format \"\(other)\" not recognized", position: option.name.position)
        }
      case "freeze": _ = try Self.boolean(option)
      case "delimiter": delimiter = try Self.text(option)
      case "null": null = try Self.text(option)
      case "header": header = try Self.header(option, isFrom: isFrom)
      case "quote": quote = try Self.text(option)
      case "escape": escape = try Self.text(option)
      case "force_quote": forceQuote = try Self.columns(option, allowsAll: true)
      case "force_null": forceNull = try Self.columns(option, allowsAll: false)
      case "force_not_null": forceNotNull = try Self.columns(option, allowsAll: false)
      case "encoding": try Self.checkEncoding(option)
      case "on_error":
        guard try Self.text(option).lowercased() == "stop" else {
          throw .sql(
            "0A000",
            "COPY option \"on_error\" with a value other than stop is not supported",
            hint: "Rows that are wrong can be left out by: tally ingest FILE --table NAME --rejects FILE",
            position: option.name.position
          )
        }
      default: throw .sql("42601", "option \"\(name)\" not recognized", position: option.name.position)
      }
    }
    options = CopyOptions(format: format ?? .text)
    options.header = header
    try set(delimiter, null, quote, escape)
    try checkForced(isFrom: isFrom)
    if options.nullText.contains(options.delimiter), options.format != .binary {
      throw .sql("0A000", "COPY delimiter must not appear in the NULL specification")
    }
    if options.format == .csv, options.nullText.contains(options.quote) {
      throw .sql("0A000", "CSV quote character must not appear in the NULL specification")
    }
  }
  private mutating func set(_ delimiter: String?, _ null: String?, _ quote: String?, _ escape: String?) throws(TallyError) {
    let (isBinary, isCSV) = (options.format == .binary, options.format == .csv)
    if isBinary, delimiter != nil { throw .sql("42601", "cannot specify DELIMITER in BINARY mode") }
    if isBinary, null != nil { throw .sql("42601", "cannot specify NULL in BINARY mode") }
    if let delimiter {
      options.delimiter = try Self.oneByte(delimiter, "COPY delimiter must be a single one-byte character")
    }
    if options.delimiter == 0x0a || options.delimiter == 0x0d {
      throw .sql("22023", "COPY delimiter cannot be newline or carriage return")
    }
    if let null {
      options.nullText = Array(null.utf8)
      if options.nullText.contains(where: { $0 == 0x0a || $0 == 0x0d }) {
        throw .sql("22023", "COPY null representation cannot use newline or carriage return")
      }
    }
    if !isCSV {
      switch options.delimiter {
      case 0x5c, 0x2e, 0x61...0x7a, 0x30...0x39:
        throw .sql("22023", "COPY delimiter cannot be \"\(Character(Unicode.Scalar(options.delimiter)))\"")
      default: break
      }
    }
    if isBinary, options.header != .none { throw .sql("0A000", "cannot specify HEADER in BINARY mode") }
    if let quote {
      guard isCSV else { throw .sql("0A000", "COPY quote available only in CSV mode") }
      options.quote = try Self.oneByte(quote, "COPY quote must be a single one-byte character")
    }
    if isCSV, options.delimiter == options.quote { throw .sql("22023", "COPY delimiter and quote must be different") }
    options.escape = options.quote
    if let escape {
      guard isCSV else { throw .sql("0A000", "COPY escape available only in CSV mode") }
      options.escape = try Self.oneByte(escape, "COPY escape must be a single one-byte character")
    }
  }
  private func checkForced(isFrom: Bool) throws(TallyError) {
    let isCSV = options.format == .csv
    if forceQuote != nil {
      if !isCSV { throw .sql("0A000", "COPY force quote available only in CSV mode") }
      if isFrom { throw .sql("0A000", "COPY force quote only available using COPY TO") }
    }
    if forceNotNull != nil {
      if !isCSV { throw .sql("0A000", "COPY force not null available only in CSV mode") }
      if !isFrom { throw .sql("0A000", "COPY force not null only available using COPY FROM") }
    }
    if forceNull != nil {
      if !isCSV { throw .sql("0A000", "COPY force null available only in CSV mode") }
      if !isFrom { throw .sql("0A000", "COPY force null only available using COPY FROM") }
    }
  }

  /// Resolves the columns that options name: first against the relation (`check`), then among the fields that are copied.
  func resolved(_ names: [String], check: ([String]) throws(TallyError) -> Void) throws(TallyError) -> CopyOptions {
    var result = options
    for given in [forceQuote, forceNotNull, forceNull] {
      if case .named(let wanted)? = given { try check(wanted) }
    }
    if let forceQuote { result.forceQuote = try forceQuote.fields(of: names, option: "FORCE_QUOTE") }
    if let forceNotNull { result.forceNotNull = try forceNotNull.fields(of: names, option: "FORCE_NOT_NULL") }
    if let forceNull { result.forceNull = try forceNull.fields(of: names, option: "FORCE_NULL") }
    return result
  }

  // MARK: Values of options

  private static func text(_ option: CopySyntax.Option) throws(TallyError) -> String {
    switch option.value {
    case .text(let text)?: return text
    case .columns(let names)?: return names.joined(separator: ".")
    case .all?: return "*"
    case nil: throw .sql("42601", "\(option.name.name) requires a parameter")
    }
  }
  private static func oneByte(_ text: String, _ failure: String) throws(TallyError) -> UInt8 {
    guard text.utf8.count == 1, let byte = text.utf8.first else { throw .sql("0A000", failure) }
    return byte
  }
  private static func flag(_ option: CopySyntax.Option) throws(TallyError) -> Bool? {
    if option.value == nil { return true }
    switch try text(option).lowercased() {
    case "true", "on", "1": return true
    case "false", "off", "0": return false
    default: return nil
    }
  }
  private static func boolean(_ option: CopySyntax.Option) throws(TallyError) -> Bool {
    guard let value = try flag(option) else { throw .sql("42601", "\(option.name.name) requires a Boolean value") }
    return value
  }
  private static func header(_ option: CopySyntax.Option, isFrom: Bool) throws(TallyError) -> CopyOptions.Header {
    if let value = try flag(option) { return value ? .present : .none }
    let word = try text(option)
    guard word.lowercased() == "match" else {
      throw .sql("42601", "\(option.name.name) requires a Boolean value or \"match\"")
    }
    guard isFrom else { throw .sql("0A000", "cannot use \"\(word)\" with HEADER in COPY TO") }
    return .match
  }
  private static func columns(_ option: CopySyntax.Option, allowsAll: Bool) throws(TallyError) -> CopyOptions.Columns {
    switch option.value {
    case .columns(let names)?: return .named(names)
    case .all? where allowsAll: return .all
    default:
      throw .sql(
        "22023",
        "argument to option \"\(option.name.name)\" must be a list of column names",
        position: option.name.position
      )
    }
  }
  private static func checkEncoding(_ option: CopySyntax.Option) throws(TallyError) {
    // As PostgreSQL compares names of encodings: letters and digits only, in any case.
    let name = String(try text(option).lowercased().unicodeScalars.filter { ("a"..."z").contains($0) || ("0"..."9").contains($0) })
    if name == "utf8" || name == "unicode" { return }
    let known: Set<String> = [
      "sqlascii", "eucjp", "euccn", "euckr", "euctw", "eucjis2004", "latin1", "latin2", "latin3", "latin4", "latin5", "latin6", "latin7",
      "latin8", "latin9", "latin10", "iso88591", "iso885915", "iso88592", "iso88595", "iso88596", "iso88597", "iso88598", "koi8r", "koi8u",
      "win", "win866", "win874", "win1250", "win1251", "win1252", "win1253", "win1254", "win1255", "win1256", "win1257", "win1258",
      "windows1252", "windows1251", "windows1250", "sjis", "big5", "gbk", "uhc", "gb18030", "johab", "shiftjis2004", "tcvn", "abc", "alt",
    ]
    guard known.contains(name) else {
      throw .sql("22023", "argument to option \"encoding\" must be a valid encoding name", position: option.name.position)
    }
    throw .sql(
      "0A000",
      "COPY with an encoding other than UTF8 is not supported",
      hint: "Convert the data before it is sent, for example by: iconv -t UTF-8",
      position: option.name.position
    )
  }
}
