// Ledger.swift — what was sent, what was acknowledged, and the judge of every answer the cluster gives.
//
// Laws: the rows of an acknowledged batch are there exactly once from the acknowledgement on; the rows of any other batch that was sent
// are there once or not at all, those of one tenant (one shard) together; nothing else ever is. What a `latest` read saw, every later one
// sees. A batch that was only sent has an unknown outcome until then.
import Synchronization

/// A batch by its load and number.
struct BatchName: Hashable, Sendable {
  var load: Int64
  var batch: Int64
}

/// A row of an answer: what is there of a batch and a tenant.
struct FoundPart: Sendable {
  var name: BatchName
  var part: BatchPart
}

/// Rows and sum of values of a tenant, or of everything.
struct Sums: Sendable, Equatable {
  var rows: Int64 = 0
  var values: Int64 = 0
  static func += (a: inout Sums, b: BatchPart) {
    a.rows += b.rows
    a.values += b.values
  }
}

/// The memory of a run.
final class Ledger: Sendable {
  /// A moment: how many acknowledgements and sightings there were.
  typealias Moment = Int

  private struct Part {
    var expected: BatchPart
    /// When it was acknowledged or first seen; nil: sent, outcome unknown.
    var known: Moment?
  }
  private struct Entry {
    var parts: [Part]
    var isAcknowledged = false
  }
  private struct State {
    var entries: [BatchName: Entry] = [:]
    var ofTenant: [Int64: [BatchName]] = [:]
    var moment: Moment = 0
    var violations: [String] = []
    var violationCount = 0
    var acknowledgedRows: Int64 = 0
    var acknowledgedBatches = 0
  }
  private let state = Mutex(State())
  private let announce: @Sendable (String) -> Void
  private static let violationsKept = 50

  /// `announce` is told each violation as it is found.
  init(announce: @escaping @Sendable (String) -> Void) { self.announce = announce }

  var now: Moment { state.withLock { $0.moment } }
  var violations: [String] { state.withLock { $0.violations } }
  var violationCount: Int { state.withLock { $0.violationCount } }
  var acknowledgedRows: Int64 { state.withLock { $0.acknowledgedRows } }
  var acknowledgedBatches: Int { state.withLock { $0.acknowledgedBatches } }
  var sentBatches: Int { state.withLock { $0.entries.count } }
  /// Batches with an unknown outcome.
  var unknownBatches: Int { state.withLock { $0.entries.values.count { !$0.isAcknowledged } } }
  var tenants: [Int64] { state.withLock { $0.ofTenant.keys.sorted() } }

  /// A batch is about to be sent, for the first time or again.
  func sending(_ name: BatchName, _ parts: [BatchPart]) {
    state.withLock { state in
      if state.entries[name] != nil { return }
      state.entries[name] = Entry(parts: parts.map { Part(expected: $0) })
      for part in parts { state.ofTenant[part.tenant, default: []].append(name) }
    }
  }
  /// A batch was acknowledged.
  func acknowledged(_ name: BatchName) {
    state.withLock { state in
      guard var entry = state.entries[name], !entry.isAcknowledged else { return }
      state.moment += 1
      entry.isAcknowledged = true
      for at in entry.parts.indices where entry.parts[at].known == nil { entry.parts[at].known = state.moment }
      state.acknowledgedBatches += 1
      state.acknowledgedRows += entry.parts.reduce(0) { $0 + $1.expected.rows }
      state.entries[name] = entry
    }
  }
  /// Notes that a law was broken.
  func violated(_ what: String) {
    let isNew = state.withLock { state in
      state.violationCount += 1
      guard state.violations.count < Self.violationsKept else { return false }
      state.violations.append(what)
      return true
    }
    if isNew { announce(what) }
  }

  // MARK: Judging

  /// Judges everything found of one tenant's batches (nil: of all tenants') by a read that began at `begin`.
  func judge(_ found: [FoundPart], tenant: Int64?, since begin: Moment, _ what: String) {
    let broken = state.withLock { state -> [String] in
      var broken: [String] = []
      var seen: Set<BatchName> = []
      var seenParts: [BatchName: Set<Int64>] = [:]
      state.moment += 1
      for one in found {
        guard var entry = state.entries[one.name],
          let at = entry.parts.firstIndex(where: { $0.expected.tenant == one.part.tenant })
        else {
          broken.append("\(what): rows of \(one.name) for tenant \(one.part.tenant) are there and were never sent")
          continue
        }
        let expected = entry.parts[at].expected
        if one.part != expected {
          broken.append(
            "\(what): of \(one.name) for tenant \(expected.tenant) there is \(Self.text(one.part)), sent was \(Self.text(expected))"
          )
        }
        seen.insert(one.name)
        seenParts[one.name, default: []].insert(expected.tenant)
        if entry.parts[at].known == nil {
          entry.parts[at].known = state.moment
          state.entries[one.name] = entry
        }
      }
      func demand(_ name: BatchName, _ entry: Entry, _ part: Part) {
        guard let known = part.known, known <= begin else { return }
        if seenParts[name]?.contains(part.expected.tenant) == true { return }
        let how = entry.isAcknowledged ? "acknowledged" : "seen"
        broken.append("\(what): \(name) for tenant \(part.expected.tenant) (\(part.expected.rows) rows) was \(how) before and is not there")
      }
      if let tenant {
        for name in state.ofTenant[tenant] ?? [] {
          guard let entry = state.entries[name] else { continue }
          for part in entry.parts where part.expected.tenant == tenant { demand(name, entry, part) }
        }
      } else {
        for (name, entry) in state.entries { for part in entry.parts { demand(name, entry, part) } }
      }
      return broken
    }
    for one in broken { violated(one) }
  }
  /// Judges a tenant's rows and sum by a read that began at `begin`.
  func judge(_ sums: Sums, tenant: Int64, since begin: Moment, _ what: String) {
    let (low, high) = bounds(tenant, since: begin)
    if sums.rows < low.rows || sums.rows > high.rows || sums.values < low.values || sums.values > high.values {
      violated(
        "\(what): tenant \(tenant) has \(sums.rows) rows with sum \(sums.values); known before were \(low.rows) with \(low.values), "
          + "sent until now \(high.rows) with \(high.values)"
      )
    }
  }
  /// What must be there of a tenant when a read begins at `begin`, and what may be there now.
  func bounds(_ tenant: Int64, since begin: Moment) -> (low: Sums, high: Sums) {
    state.withLock { state in
      var (low, high) = (Sums(), Sums())
      for name in state.ofTenant[tenant] ?? [] {
        for part in state.entries[name]?.parts ?? [] where part.expected.tenant == tenant {
          high += part.expected
          if let known = part.known, known <= begin { low += part.expected }
        }
      }
      return (low, high)
    }
  }
  private static func text(_ part: BatchPart) -> String {
    "\(part.rows) rows, values \(part.values), places \(part.places)"
  }
}

extension BatchName: CustomStringConvertible {
  var description: String { "batch \(batch) of load \(load)" }
}
