// FormatTests.swift — bytes of fragments and programs: golden, round trip, damage.
import Bytes
import Foundation
import Model
import Testing

@testable import Planning

private func plans() throws -> [PlanNode] {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/plans.txt")
  let catalog = try SampleCatalog.make()
  var result: [PlanNode] = []
  for block in try String(contentsOf: file, encoding: .utf8).components(separatedBy: "---- ").dropFirst() {
    let sql = String(block.prefix { $0 != "\n" })
    guard case .select(let plan) = try SampleCatalog.statement(sql, catalog) else { continue }
    result.append(contentsOf: plan.fragments.filter { $0.shards != .coordinator }.map(\.plan))
    result.append(plan.coordinatorPlan)
  }
  return result
}

@Test func fragmentBytesAreGolden() throws {
  let scan = ScanNode(
    source: .rollup(TableID(20), .chain(first: 1)),
    storedColumns: [1],
    output: [OutputColumn("bucket", .timestamptz)],
    zoneConditions: [ZoneCondition(storedColumn: 1, .greaterOrEqual, .fixed(5))],
    filter: Expression(
      .boolean,
      .call(.greaterOrEqual, [.column(0, .timestamptz), .constant(.timestamptz, .fixed(5))])
    ),
    needsMergedGroups: true
  )
  let plan = PlanNode.limit(
    LimitNode(
      input: .aggregate(
        AggregateNode(
          input: .scan(scan),
          groups: [.column(0, .timestamptz)],
          calls: [AggregateCall(.countStar, [], type: .bigint)],
          names: ["b", "n"]
        )
      ),
      count: 7
    )
  )
  let hex = FragmentFormat.encode(plan).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  #expect(
    hex
      == "0207050101140101010662"
      + "75636b65740b010105010a010103060002"
      + "0b01000b02010a01"
      + "0101620b01000101" + "6e010004000000" + "00" + "010e00"
  )
}

@Test func everyPlanSurvivesItsBytes() throws {
  for plan in try plans() {
    let bytes = FragmentFormat.encode(plan)
    #expect(FragmentFormat.encode(try FragmentFormat.decode(bytes)) == bytes)
  }
}

@Test func damagedPlansAreRefusedOrWellTyped() throws {
  var state: UInt64 = 7
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
  var refused = 0
  for plan in try plans() {
    let bytes = FragmentFormat.encode(plan)
    for cut in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 40)) {
      #expect(throws: DecodingFailure.self) { try FragmentFormat.decode(Array(bytes[..<cut])) }
    }
    for _ in 0..<60 {
      var damaged = bytes
      for _ in 0...next(3) { damaged[next(damaged.count)] = UInt8(truncatingIfNeeded: next(256)) }
      do throws(DecodingFailure) {
        let decoded = try FragmentFormat.decode(damaged)
        _ = Explain.lines(decoded, catalog: CatalogSnapshot(cluster: .none))
      } catch { refused += 1 }
    }
  }
  #expect(refused > 500)
}

@Test func deepPlansAreRefused() throws {
  var bytes: [UInt8] = [2]
  bytes.append(contentsOf: Array(repeating: 7, count: 100_000))
  #expect(throws: DecodingFailure.self) { try FragmentFormat.decode(bytes) }
  // NOT NOT NOT …
  bytes = [2, 4, 2, 0, 1, 1, 0]
  bytes.append(contentsOf: (0..<50_000).flatMap { _ in [1, 6] as [UInt8] })
  #expect(throws: DecodingFailure.self) { try FragmentFormat.decode(bytes) }
}
