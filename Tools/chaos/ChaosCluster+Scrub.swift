// ChaosCluster+Scrub.swift — scrubs that are made due, and whether they have ended.
//
// A worker writes the time of its last scrub to `meta/scrub` (ScrubFlow.swift) when a round has ended, and looks there when it starts: a
// time long past makes the next round due, and stands there until one has ended.
import Foundation
import Launcher

extension ChaosCluster {
  private static let longPast = Data("0\n".utf8)

  /// Makes the next scrub of a worker that is down due at its start.
  func makeScrubDue(_ worker: String) throws { try Self.longPast.write(to: try scrubRecord(worker)) }

  /// Workers whose files were not read back since their scrub was made due. One that was wiped since has nothing of what it had.
  func unscrubbed() throws -> [String] {
    try workers.filter { FileManager.default.contents(atPath: try scrubRecord($0).path) == Self.longPast }
  }
  private func scrubRecord(_ worker: String) throws -> URL {
    URL(fileURLWithPath: layout.dataDirectory(try layout.node(worker)) + "/meta/scrub")
  }
}
