// Recording.swift — statements and PostgreSQL's answers in a file, gzip over JSON lines: what is compared where PostgreSQL is not
// installed.
//
// A line is a seed with its tables' texts, its statements, and the answers to them. The file holds texts, so it stays valid when the
// generator changes.
import CZlib
import Foundation

struct RecordedSeed: Codable {
  var seed: UInt64
  /// What makes and fills the tables; `§` stands for the number of shards.
  var setUp: [String]
  var statements: [Statement]
  var answers: [PostgresAnswer]
}

enum Recording {
  static func write(_ seeds: [RecordedSeed], to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    var lines = Data()
    for seed in seeds { lines += try encoder.encode(seed) + Data("\n".utf8) }
    guard let file = gzopen(path, "wb9") else { throw ProgramFailure(description: "cannot write \(path)") }
    let written = lines.withUnsafeBytes { gzwrite(file, $0.baseAddress, UInt32($0.count)) }
    guard gzclose(file) == Z_OK, written == lines.count else { throw ProgramFailure(description: "cannot write \(path)") }
  }
  static func read(_ path: String) throws -> [RecordedSeed] {
    guard let file = gzopen(path, "rb") else { throw ProgramFailure(description: "cannot read \(path)") }
    defer { gzclose(file) }
    var lines = Data()
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = gzread(file, &piece, UInt32(piece.count))
      guard count >= 0 else { throw ProgramFailure(description: "\(path) is no gzip file") }
      if count == 0 { break }
      lines += piece[..<Int(count)]
    }
    return try lines.split(separator: 10).map { try JSONDecoder().decode(RecordedSeed.self, from: $0) }
  }
}
