// Coordinators that hang or lose their disk: the others go on, and an empty one takes its place again.
import Foundation
import Launcher
import TallyClient
import Testing

@Suite(.serialized) struct CoordinatorLossTests {
  /// Cells of the coordinators' rows in the list of nodes, as some coordinator gives it now.
  private func coordinators(_ cluster: RunningCluster) throws -> [[String]] {
    let outcome = try CommandLineTool.run("tally", ["--url", cluster.url, "node", "list", "--format", "csv"])
    return outcome.status == 0 ? parseCSV(outcome.output).filter { $0.count > 11 && $0[1] == "coordinator" } : []
  }
  private func leader(_ cluster: RunningCluster) throws -> String {
    var name = ""
    #expect(
      try eventually(seconds: 30) {
        let rows = try coordinators(cluster)
        name = rows.first { $0[11] == "leader" }?[0] ?? ""
        return rows.count { $0[2] == "up" && $0[11] != "learner" } == 3 && !name.isEmpty
      }
    )
    return name
  }
  private func works(_ cluster: RunningCluster, _ table: String, within seconds: Double) throws -> Bool {
    try eventually(seconds: seconds) {
      try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", "CREATE TABLE IF NOT EXISTS \(table) (a bigint)"]).status == 0
    }
  }

  @Test(.timeLimit(.minutes(3))) func aLeaderThatHangsIsReplacedAndFollowsWhenItWakes() throws {
    let cluster = try RunningCluster(workers: 1, coordinators: 3)
    let processes = try cluster.processes
    let name = try leader(cluster)
    try processes.signal(name, SIGSTOP)
    // Asked through the others: the one that hangs accepts connections and never answers.
    let others = processes.layout.nodes.filter { $0.isCoordinator && $0.name != name }.map(\.address)
    let url = "tally://" + others.joined(separator: ",") + "/tally"
    let create = ["--url", url, "sql", "-c", "CREATE TABLE IF NOT EXISTS hung (a bigint)"]
    #expect(try eventually(seconds: 5) { try CommandLineTool.run("tally", create).status == 0 })
    // The worker found them too.
    #expect(
      try eventually(seconds: 10) {
        let outcome = try CommandLineTool.run("tally", ["--url", url, "node", "list", "--format", "csv"])
        return parseCSV(outcome.output).contains { $0.count > 2 && $0[1] == "worker" && $0[2] == "up" }
      }
    )
    // A client that knows the hanging one first does not wait for it alone.
    let hanging = processes.layout.nodes.filter { $0.name == name }.map(\.address)
    let first = "tally://" + (hanging + others).joined(separator: ",") + "/tally"
    let began = ContinuousClock.now
    #expect(try CommandLineTool.run("tally", ["--url", first, "sql", "-c", "SELECT 1"]).status == 0)
    let waited = (ContinuousClock.now - began) / .seconds(1)
    #expect(waited < 2.5, "a hanging coordinator cost \(waited) s")
    try processes.signal(name, SIGCONT)
    #expect(try leader(cluster) != name)
    #expect(try works(cluster, "awake", within: 10))
  }

  @Test(.timeLimit(.minutes(3))) func aCoordinatorWithoutItsDiskJoinsAsAnotherMember() throws {
    let cluster = try RunningCluster(workers: 1, coordinators: 3)
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE kept (a bigint)")
    // Each in turn, whoever leads and whoever founded.
    for name in ["coordinator-2", "coordinator-1", "coordinator-3"] {
      _ = try leader(cluster)
      try processes.kill(name)
      try FileManager.default.removeItem(atPath: cluster.directory + "/" + name)
      try processes.start(name)
      _ = try leader(cluster)
    }
    #expect(try cluster.run(["--url", cluster.url, "table", "list", "--format", "csv"]).contains("kept,"))
    #expect(try works(cluster, "after", within: 10))
    // All of them went through a whole stop, too.
    try processes.down()
    try processes.up()
    #expect(try works(cluster, "again", within: 20))
    #expect(try cluster.run(["--url", cluster.url, "table", "list", "--format", "csv"]).contains("after,"))
  }
}
