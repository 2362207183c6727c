// ExternalProgram.swift — runs other programs to their end.
import Foundation

/// Other programs.
enum ExternalProgram {
  /// Runs a program and gives its standard output; throws with its standard error when it fails. `input` is a file for its standard input.
  static func run(_ path: String, _ arguments: [String], input: String? = nil) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    let errors = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString).err")
    guard FileManager.default.createFile(atPath: errors.path, contents: nil) else { throw BenchFailure("cannot write \(errors.path)") }
    defer { unlink(errors.path) }
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? FileHandle.nullDevice
    do { try process.run() } catch { throw BenchFailure("cannot run \(path): \(error)") }
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let complaint = String(decoding: FileManager.default.contents(atPath: errors.path) ?? Data(), as: UTF8.self)
      throw BenchFailure("\(path) \(arguments.prefix(4).joined(separator: " ")): exit \(process.terminationStatus)\n\(complaint)")
    }
    return String(decoding: said, as: UTF8.self)
  }
}
