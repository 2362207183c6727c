// SharedData.swift — the real data sets with exact answers, found by TALLY_SHARED; tests skip, saying so, without them.
import Foundation
import Launcher

/// One data set.
struct DataSet {
  let name: String
  let tenant: String
  let user: String
  let item: String
  let measures: [String]
  let header: [String]
  let rows: [[String]]
  let folder: String

  static var shared: String {
    if let given = ProcessInfo.processInfo.environment["TALLY_SHARED"], !given.isEmpty { return given + "/data" }
    return "../shared/data"
  }
  static var isAvailable: Bool { FileManager.default.fileExists(atPath: shared + "/truth.py") }

  init(_ name: String) throws {
    self.name = name
    folder = Self.shared + "/" + name
    let meta = try JSONSerialization.jsonObject(with: try Data(contentsOf: URL(fileURLWithPath: folder + "/meta.json")))
    guard let meta = meta as? [String: Any], let tenant = meta["tenant"] as? String, let user = meta["user"] as? String,
      let item = meta["item"] as? String, let measures = meta["measures"] as? [String]
    else { throw LaunchFailure("cannot read \(folder)/meta.json") }
    (self.tenant, self.user, self.item, self.measures) = (tenant, user, item, measures)
    let all = try Self.gunzip(folder + "/events.csv.gz")
    header = all[0]
    rows = Array(all.dropFirst())
  }
  static func gunzip(_ path: String) throws -> [[String]] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw LaunchFailure("gzip -dc \(path) failed") }
    return parseCSV(String(decoding: data, as: UTF8.self))
  }
  func truth(_ level: String) throws -> [[String]] { try Self.gunzip("\(folder)/rollup_\(level).csv.gz") }
  func column(_ name: String) throws -> Int {
    guard let at = header.firstIndex(of: name) else { throw LaunchFailure("\(self.name) has no column \(name)") }
    return at
  }
  /// SQL type of a column.
  func type(_ column: String) -> String {
    if column == "event_id" { return "bigint" }
    if column == "ts" { return "timestamp" }
    if column == "unit_price" { return "numeric(12,3)" }
    if measures.contains(column) || ["flight", "year", "month", "day", "sched_dep_time", "dep_time"].contains(column) { return "bigint" }
    if column.hasPrefix("is_") { return "boolean" }
    return "text"
  }
  /// CSV text of some rows, as the files quote it.
  func csv(_ rows: some Sequence<[String]>) -> String {
    var out = header.joined(separator: ",") + "\n"
    for row in rows {
      out +=
        row.map { field in
          field.contains { $0 == "," || $0 == "\"" || $0 == "\n" }
            ? "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : field
        }.joined(separator: ",") + "\n"
    }
    return out
  }
}
