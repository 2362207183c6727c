// GoldenBytes.swift — files of expected bytes in Tests/StorageTests/Golden, as hexadecimal lines.
//
// With TALLY_WRITE_GOLDEN set a missing file is written; an existing one never changes by itself.
import Foundation
import Testing

enum Golden {
  static func path(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name).hex").path
  }
  static func read(_ name: String) throws -> [UInt8] {
    let text = try String(contentsOfFile: path(name), encoding: .utf8)
    let digits = text.utf8.filter { $0 != UInt8(ascii: "\n") }.map { UInt8($0 < 58 ? $0 - 48 : $0 - 87) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
  static func expect(_ bytes: [UInt8], _ name: String) throws {
    if !FileManager.default.fileExists(atPath: path(name)),
      ProcessInfo.processInfo.environment["TALLY_WRITE_GOLDEN"] != nil
    {
      var text = ""
      for (at, byte) in bytes.enumerated() {
        text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        if at % 32 == 31 { text += "\n" }
      }
      try (text + "\n").write(toFile: path(name), atomically: true, encoding: .utf8)
    }
    #expect(try read(name) == bytes, "the bytes of \(name) changed")
  }
}
