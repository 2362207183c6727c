// SmallVolume.swift — a file system of limited size under one worker's data directory, which can be filled to the last block.
//
// Needs root and a loop device. The mount is undone by `remove`, or by the watchdog.
import Foundation
import Glibc
import Launcher

/// A mounted image.
struct SmallVolume: Sendable {
  /// The worker whose data are on it.
  let worker: String
  let directory: String
  private let image: String
  private var ballast: String { directory + "/chaos-ballast" }

  /// Makes and mounts the volume, for a run of so many seconds: what a run writes must fit, so that only a fault fills it.
  init(for worker: String, directory: String, image: String, seconds: Double) throws {
    guard geteuid() == 0 else { throw LaunchFailure("mounting a volume needs root") }
    self.worker = worker
    self.directory = directory
    self.image = image
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let bytes = 1_500_000_000 + Int(seconds * 2_500_000)
    guard FileManager.default.createFile(atPath: image, contents: nil), truncate(image, bytes) == 0 else {
      throw LaunchFailure("cannot make \(image)")
    }
    try Self.run("mkfs.ext4", ["-q", "-F", "-m", "0", image])
    try Self.run("mount", ["-o", "loop", image, directory])
    // What mkfs puts there is not a worker's.
    rmdir(directory + "/lost+found")
  }
  /// Takes all the space there is.
  func fill() throws {
    let descriptor = open(ballast, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }  // not one block is free
    defer { close(descriptor) }
    var size = 64 << 20
    var offset = 0
    while size >= 4096 {
      if posix_fallocate(descriptor, offset, size) == 0 { offset += size } else { size /= 2 }
    }
  }
  /// Gives the space back.
  func free() { unlink(ballast) }
  /// Undoes the mount.
  func remove() throws {
    free()
    try Self.run("umount", [directory])
    try FileManager.default.removeItem(atPath: image)
  }
  /// Undoes every mount below a directory.
  static func unmountAll(below directory: String) {
    guard let mounts = FileManager.default.contents(atPath: "/proc/mounts").map({ String(decoding: $0, as: UTF8.self) }) else { return }
    for line in mounts.split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count > 1 && parts[1].hasPrefix(directory + "/") { umount2(String(parts[1]), Int32(MNT_DETACH)) }
    }
  }
  private static func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw LaunchFailure("\(program) \(arguments.joined(separator: " ")): \(said.trimmingCharacters(in: .whitespacesAndNewlines))")
    }
  }
}
