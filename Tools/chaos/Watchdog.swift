// Watchdog.swift — a process beside the run that ends the cluster when the run has ended, however it ended.
//
// It reads a pipe whose other end only the run holds: the end of the pipe is the end of the run. Signals to the terminal's processes do
// not reach it.
import Foundation
import Glibc
import Launcher

/// The run's end of the pipe.
struct Watchdog: Sendable {
  private let process: Process
  private let pipe: Pipe

  /// Starts a watchdog over a cluster's directory.
  init(over directory: String) throws {
    process = Process()
    pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["watch", directory]
    process.standardInput = pipe
    try process.run()
    // The nodes are started without the run's descriptors; other children must not hold this one either.
    let descriptor = pipe.fileHandleForWriting.fileDescriptor
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }
  /// Says that everything was undone.
  func dismiss() {
    pipe.fileHandleForWriting.closeFile()
    process.waitUntilExit()
  }

  /// The watchdog's whole life.
  static func watch(_ directory: String) throws {
    setsid()
    for signal in [SIGINT, SIGTERM, SIGHUP] { Glibc.signal(signal, SIG_IGN) }
    while true {
      var byte: UInt8 = 0
      let count = read(0, &byte, 1)
      if count > 0 || (count < 0 && errno == EINTR) { continue }
      break
    }
    try cleanUp(directory)
  }
  /// Ends what is left of a cluster in a directory; the data stay.
  static func cleanUp(_ directory: String) throws {
    if ClusterLayout.exists(in: directory) { try LocalCluster(directory: directory).killAll() }
    SmallVolume.unmountAll(below: directory)
  }
}
