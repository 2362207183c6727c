// ModelProgram.swift — the program `model`: searches the replication protocol exhaustively within bounds, whole or with a rule dropped.
import ArgumentParser
import ReplicationModel

@main struct ModelProgram: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Searches every state of shard replication and election within bounds, under false suspicion, crashes and a disk wipe.",
    discussion: """
      Bounds are given as NAME=NUMBER: RF copies (3), MIN in-sync copies a commit needs (2), E elections (3), V client values (2),
      W disk wipes (1), CR crashes (2), PR changes of the in-sync set (2). Example: model RF=3 MIN=2 E=2
      Exits with 1 when an invariant breaks, after printing how. --mutants expects a violation from every dropped rule instead.
      """
  )
  @Argument(help: "Bounds, NAME=NUMBER.") var parameters: [String] = []
  @Option(help: ArgumentHelp("Drops a rule of the protocol: one of \(Self.letters).", valueName: "letter")) var drop: String?
  @Flag(help: "Drops each rule in turn; every search must find a violation.") var mutants = false
  @Flag(help: "With --mutants, prints every trace.") var verbose = false
  @Flag(help: "Takes no copy in before the epoch is established, as the reference model does.") var reference = false
  @Option(help: "Gives up beyond this many states.") var limit = 200_000_000

  private static var letters: String { Rule.allCases.map { String($0.rawValue) }.joined(separator: " ") }

  func run() throws {
    let bounds = try bounds()
    if mutants {
      let survivors = Rule.allCases.filter { !search(Rules(bounds, dropping: $0, asReference: reference), printsTrace: verbose) }
      guard survivors.isEmpty else {
        print("no violation without: \(survivors.map { String($0.rawValue) }.joined(separator: " "))")
        throw ExitCode(1)
      }
      return
    }
    var dropped: Rule?
    if let drop {
      guard drop.count == 1, let letter = drop.first, let rule = Rule(rawValue: letter) else {
        throw ValidationError("no rule \"\(drop)\": there are \(Self.letters)")
      }
      dropped = rule
    }
    if search(Rules(bounds, dropping: dropped, asReference: reference), printsTrace: true) { throw ExitCode(1) }
  }

  private func bounds() throws -> Bounds {
    var bounds = Bounds()
    for parameter in parameters {
      let parts = parameter.split(separator: "=")
      guard parts.count == 2, let number = Int(parts[1]) else { throw ValidationError("\"\(parameter)\" is not NAME=NUMBER") }
      switch parts[0] {
      case "RF": bounds.copies = number
      case "MIN": bounds.minimum = number
      case "E": bounds.elections = number
      case "V": bounds.values = number
      case "W": bounds.wipes = number
      case "CR": bounds.crashes = number
      case "PR": bounds.proposals = number
      default: throw ValidationError("no bound \"\(parts[0])\": there are RF MIN E V W CR PR")
      }
    }
    if let complaint = bounds.complaint { throw ValidationError(complaint) }
    return bounds
  }

  /// Searches and prints a line; true when an invariant broke.
  private func search(_ rules: Rules, printsTrace: Bool) -> Bool {
    let clock = ContinuousClock()
    let started = clock.now
    let found = Search.run(rules, limit: limit)
    let seconds = max(0.001, (clock.now - started) / .seconds(1))
    let b = rules.bounds
    let name = rules.dropped.map { "without \($0.rawValue)" } ?? "whole"
    let outcome =
      found.violation.map { "VIOLATION after \($0.trace.count) steps: \($0.invariant.rawValue)" }
      ?? (found.isExhaustive ? "exhaustive, no violation" : "given up at the limit, no violation so far")
    print(
      "\(name) RF=\(b.copies) MIN=\(b.minimum) E=\(b.elections) V=\(b.values) W=\(b.wipes) CR=\(b.crashes) PR=\(b.proposals): "
        + "\(outcome); \(found.states) states, \(found.steps) steps, depth \(found.depth), "
        + "\(Double(Int(seconds * 100)) / 100) s, \(Int(Double(found.states) / seconds)) states/s"
    )
    if printsTrace, let violation = found.violation {
      for (number, step) in violation.trace.enumerated() { print("  \(number + 1). \(step)") }
    }
    return found.violation != nil
  }
}
