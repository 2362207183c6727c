// Three coordinators become one in two orders, the leader among them, and three again; what would leave too few is refused.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct CoordinatorRemovalTests {
  /// Name and part of each coordinator that is up.
  private func coordinators(_ url: String) throws -> [String: String] {
    let asked = try CommandLineTool.run("tally", ["--url", url, "node", "list", "--format", "csv"])
    guard asked.status == 0 else { return [:] }
    var found: [String: String] = [:]
    for row in parseCSV(asked.output).dropFirst() where row[1] == "coordinator" && row[2] == "up" { found[row[0]] = row[11] }
    return found
  }
  private func remove(_ url: String, _ name: String) throws -> CommandLineTool.Outcome {
    try CommandLineTool.run("tally", ["--url", url, "node", "remove", name])
  }

  @Test(.timeLimit(.minutes(3))) func threeBecomeOneAndThreeAgain() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    let processes = try cluster.processes
    let url = cluster.url
    try cluster.execute("CREATE TABLE events (tenant bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 2)")
    try cluster.execute("INSERT INTO events VALUES (1), (2)")
    let parts = ["leader", "follower", "follower"]
    #expect(try eventually(seconds: 30) { try coordinators(url).values.sorted() == parts.sorted() })
    #expect(try remove(url, "coordinator-9").error.contains("42704"))
    #expect(try remove(url, "worker-1").error.contains("0A000"))
    let leader = try #require(try coordinators(url).first { $0.value == "leader" }?.key)
    let others = ["coordinator-1", "coordinator-2", "coordinator-3"].filter { $0 != leader }
    // One is down: to remove another one that is up would leave one of two.
    try processes.kill(others[0])
    #expect(try eventually(seconds: 10) { try coordinators(url).count == 2 })
    let refused = try remove(url, others[1])
    #expect(refused.status != 0 && refused.error.contains("too few coordinators") && refused.error.contains(others[0]))
    // The one that is down goes, and then the leader.
    #expect(try remove(url, others[0]).status == 0)
    #expect(try eventually(seconds: 10) { try coordinators(url).count == 2 })
    #expect(try cluster.run(["--url", url, "node", "list"]).contains(others[0]) == false)
    let gone = try remove(url, leader)
    #expect(gone.status == 0, "\(gone)")
    #expect(try eventually(seconds: 15) { try coordinators(url) == [others[1]: "leader"] })
    try processes.kill(leader)
    #expect(try remove(url, others[1]).error.contains("the only coordinator"))
    try cluster.execute("INSERT INTO events VALUES (3)")
    try cluster.execute("CREATE TABLE alone (id bigint)")
    try processes.restart(others[1])
    #expect(try eventually(seconds: 30) { try coordinators(url) == [others[1]: "leader"] })
    #expect(try cluster.rows("SELECT count(*) FROM events") == [["3"]])
    // With empty directories they join again, and count.
    for name in [others[0], leader] {
      try processes.wipe(name)
      try processes.start(name)
    }
    #expect(try eventually(seconds: 30) { try coordinators(url).values.sorted() == parts.sorted() })
    try processes.kill(others[1])
    #expect(try eventually(seconds: 30) { try coordinators(url).values.contains("leader") })
    #expect(try cluster.rows("SELECT count(*) FROM events") == [["3"]])
  }
}
