// RobustnessTests.swift — no text crashes the planner, and every plan it makes fits through its bytes.
import Bytes
import Foundation
import Model
import SQL
import Testing

@testable import Planning

/// Plans a text; a failure must be the statement's, never a defect.
private func tryPlan(_ text: String, _ catalog: CatalogSnapshot) {
  do throws(TallyError) {
    for statement in try parse(text) {
      let bound = try plan(statement, catalog: catalog, context: SampleCatalog.context)
      guard case .select(let query) = bound else { continue }
      for fragment in query.fragments {
        do throws(DecodingFailure) { _ = try FragmentFormat.decode(FragmentFormat.encode(fragment.plan)) } catch {
          Issue.record("\(text): \(error)")
        }
      }
      do throws(DecodingFailure) { _ = try FragmentFormat.decode(FragmentFormat.encode(query.coordinatorPlan)) } catch {
        Issue.record("\(text): \(error)")
      }
    }
  } catch {
    if error.status == .internalError { Issue.record("\(text): \(error)") }
  }
}

@Test func damagedStatementsNeverCrash() throws {
  let catalog = try SampleCatalog.make()
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/plans.txt")
  var seeds = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "---- ").dropFirst().map {
    String($0.prefix { $0 != "\n" })
  }
  seeds.append(SampleCatalog.searches.replacingOccurrences(of: "searches with", with: "r with"))
  seeds.append("insert into queries (app_id, ts, hits, price) values ('a', now(), -3, 1.5), ('a', null, default, '7')")
  seeds.append("create table t (a int not null default -3, b varchar(20), n numeric(10,2), c date) with (time = c, keep = '30 days')")
  seeds.append("select create_distributed_table('loose', 'a', colocate_with => 'none', shard_count => 4)")
  let words = seeds.flatMap { $0.split(separator: " ").map(String.init) }
  var state: UInt64 = 99
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
  for _ in 0..<6000 {
    var parts = seeds[next(seeds.count)].split(separator: " ").map(String.init)
    for _ in 0...next(3) {
      let at = next(parts.count)
      switch next(4) {
      case 0: if parts.count > 1 { parts.remove(at: at) }
      case 1: parts.insert(words[next(words.count)], at: at)
      case 2: parts[at] = words[next(words.count)]
      default: parts.swapAt(at, next(parts.count))
      }
    }
    tryPlan(parts.joined(separator: " "), catalog)
  }
}

/// Plans only: what the operators' bytes are is tested with them.
@Test func damagedQueriesOfSeveralRelationsNeverCrash() throws {
  let catalog = try SampleCatalog.make()
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/query-plans.txt")
  let seeds = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "---- ").dropFirst().map {
    String($0.prefix { $0 != "\n" })
  }
  let words = seeds.flatMap { $0.split(separator: " ").map(String.init) }
  var state: UInt64 = 7
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
  for _ in 0..<6000 {
    var parts = seeds[next(seeds.count)].split(separator: " ").map(String.init)
    for _ in 0...next(2) {
      let at = next(parts.count)
      switch next(3) {
      case 0: if parts.count > 1 { parts.remove(at: at) }
      case 1: parts[at] = words[next(words.count)]
      default: parts.swapAt(at, next(parts.count))
      }
    }
    let text = parts.joined(separator: " ")
    do throws(TallyError) {
      for statement in try parse(text) {
        guard case .select(let query) = try plan(statement, catalog: catalog, context: SampleCatalog.context) else { continue }
        for node in [query.coordinatorPlan] + query.fragments.map(\.plan) {
          #expect(!node.readsOuter && isWithinInputs(node), "\(text)")
        }
        for fragment in query.fragments {
          let bytes = FragmentFormat.encode(fragment.plan)
          do throws(DecodingFailure) { #expect(FragmentFormat.encode(try FragmentFormat.decode(bytes)) == bytes, "\(text)") } catch {
            Issue.record("\(text): \(error)")
          }
        }
      }
    } catch { #expect(error.status != .internalError, "\(text): \(error)") }
  }
}
/// Whether every expression reads columns that its node's inputs have.
private func isWithinInputs(_ plan: PlanNode) -> Bool {
  let width: Int
  switch plan {
  case .scan(let node): width = node.output.count
  case .join(let node): width = node.left.columns.count + node.right.columns.count
  default: width = plan.inputs.first?.columns.count ?? 0
  }
  return plan.ownExpressions.allSatisfy { $0.columnsRead.allSatisfy { $0 < width } } && plan.inputs.allSatisfy(isWithinInputs)
}

@Test func deepStatementsArePlannedOrRefused() throws {
  let catalog = try SampleCatalog.make()
  for count in [10, 100, 240, 400] {
    tryPlan("select " + String(repeating: "hits + ", count: count) + "1 from queries", catalog)
    tryPlan("select " + String(repeating: "not ", count: count) + "ok from queries", catalog)
    tryPlan(
      "select " + String(repeating: "coalesce(hits, ", count: count) + "1" + String(repeating: ")", count: count) + " from queries",
      catalog
    )
    tryPlan(
      "select " + String(repeating: "case when ok then hits else ", count: count) + "1"
        + String(repeating: " end", count: count) + " from queries",
      catalog
    )
    tryPlan(
      "select 1 from queries where " + String(repeating: "(ok or (ok and ", count: count) + "ok" + String(repeating: "))", count: count),
      catalog
    )
    tryPlan(String(repeating: "select * from (", count: count) + "select * from queries" + String(repeating: ") x", count: count), catalog)
    tryPlan("select 1" + String(repeating: " union all select 1", count: count), catalog)
    tryPlan(
      String(repeating: "select count(distinct hits) hits, count(distinct ok) from (", count: min(count, 12)) + "select * from queries"
        + String(repeating: ") x", count: min(count, 12)),
      catalog
    )
  }
}

@Test func doublingSubqueriesStaySmall() throws {
  let catalog = try SampleCatalog.make()
  var text = "select hits x from queries"
  for level in 0..<20 { text = "select x + x as x from (\(text)) s\(level)" }
  tryPlan(text, catalog)
  var filtered = "select hits x from queries"
  for level in 0..<20 { filtered = "select x + x as x from (\(filtered)) s\(level) where x > \(level)" }
  tryPlan(filtered, catalog)
}
