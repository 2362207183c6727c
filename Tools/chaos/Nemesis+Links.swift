// Nemesis+Links.swift — faults of what lies between nodes: resets, cuts, delays.
import TallyClient

extension Nemesis {
  /// Links between two sets of nodes, both ways.
  private func links(_ a: [String], _ b: [String]) -> [Link] {
    a.flatMap { x in b.filter { $0 != x }.flatMap { [Link(from: x, to: $0), Link(from: $0, to: x)] } }
  }

  func reset(_ chance: inout Chance) {
    guard let forwarders = cluster.forwarders, let node = chance.pick(cluster.names) else { return }
    let others = cluster.names + [Forwarders.client]
    if chance.percent(50), let other = chance.pick(others.filter { $0 != node }) {
      begin(.reset, "reset connections between \(node) and \(other)")
      forwarders.reset(links([node], [other]))
    } else {
      begin(.reset, "reset all connections of \(node)")
      forwarders.reset(links([node], others))
    }
  }

  func cut(_ chance: inout Chance) async throws {
    guard let forwarders = cluster.forwarders, let node = chance.pick(cluster.names) else { return }
    let names = cluster.names
    let others = names.filter { $0 != node }
    var (cut, what): ([Link], String) = ([], "")
    var isolated: [String] = []
    switch chance.below(5) {
    case 0:
      // From nodes, not from clients: the worst for a primary that believes in itself.
      (cut, what, isolated) = (links([node], others), "\(node) from all other nodes", [node])
    case 1: (cut, what, isolated) = (links([node], others + [Forwarders.client]), "\(node) from everybody", [node])
    case 2:
      guard let other = chance.pick(others) else { return }
      (cut, what) = ([Link(from: node, to: other)], "\(node) to \(other), that way only")
    case 3:
      guard let other = chance.pick(others) else { return }
      (cut, what) = (links([node], [other]), "\(node) and \(other) from each other")
    default:
      let half = Array(names.shuffled(using: &chance).prefix(names.count / 2))
      let rest = names.filter { !half.contains($0) }
      (cut, what) = (links(half, rest), "\(half.joined(separator: " ")) from \(rest.joined(separator: " "))")
    }
    let time = chance.milliseconds(chance.percent(70) ? 500...4000 : 4000...9000)
    begin(.net, "cut \(what) for \(time)")
    run.gaps.hit(isolated, "cut off 0.5-9 s")
    forwarders.cut(cut)
    try await Task.sleep(for: time)
    // Some connections do not outlive a partition.
    if chance.percent(40) { forwarders.reset(cut) }
    forwarders.mend(cut)
  }

  func slow(_ chance: inout Chance) async throws {
    guard let forwarders = cluster.forwarders, let node = chance.pick(cluster.names) else { return }
    let delay = chance.milliseconds(20...400)
    let time = chance.milliseconds(1000...6000)
    let all = links([node], cluster.names + [Forwarders.client])
    begin(.slow, "\(node) is \(delay) away for \(time)")
    forwarders.delay(all, by: delay)
    try await Task.sleep(for: time)
    forwarders.mend(all)
  }
}
