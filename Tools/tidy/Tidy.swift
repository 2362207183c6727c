// Tidy.swift — `tidy`: reads every source file and holds the rules that compilers and formatters do not know.
//
// Module edges, the two-interpreter rule, names, file heads and lengths, swallowed errors, planted bugs. Exit 1 with one line a finding.
import ArgumentParser
import Foundation

@main struct Tidy: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Checks edges, names and the two-interpreter rule.")
  @Argument(help: "Root of the package.") var root = "."

  func run() throws {
    let manager = FileManager.default
    var files: [SourceFile] = []
    for top in ["Sources", "Tests", "Tools", "Cluster"] {
      let names = (manager.enumerator(atPath: root + "/" + top)?.allObjects as? [String] ?? []).sorted()
      for name in names where name.hasSuffix(".swift") {
        let path = top + "/" + name
        files.append(SourceFile(path: path, text: try String(contentsOfFile: root + "/" + path, encoding: .utf8)))
      }
    }
    var reasons: [String: String] = [:]
    let list = try String(contentsOfFile: root + "/Tools/tidy/LongFiles.txt", encoding: .utf8)
    for line in list.split(separator: "\n") where !line.hasPrefix("#") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { reasons[String(parts[0])] = String(parts[1]) }
    }
    var findings = files.flatMap { check($0, reasons: reasons) }
    let manifest = try String(contentsOfFile: root + "/Package.swift", encoding: .utf8)
    findings += checkManifest(manifest) + checkPlanted(files, manifest: manifest)
    for path in reasons.keys.sorted() where !files.contains(where: { $0.path == path && $0.lines.count > 500 }) {
      findings.append(Finding(path: "Tools/tidy/LongFiles.txt", line: 1, message: "\(path) is not over 500 lines"))
    }
    let expected: Set<String> = ["Sources", "Tests", "Cluster", "Tools", "Package.swift", "README.md", "LICENSE"]
    for name in try manager.contentsOfDirectory(atPath: root).sorted()
    where !name.hasPrefix(".") && !expected.contains(name) && name != "Package.resolved" && name != "tally-data" {
      findings.append(Finding(path: name, line: 1, message: "does not belong at the top level"))
    }
    for finding in findings { print("\(finding.path):\(finding.line): \(finding.message)") }
    print("tidy: \(files.count) files, \(findings.count) findings")
    if !findings.isEmpty { throw ExitCode(1) }
  }
}
