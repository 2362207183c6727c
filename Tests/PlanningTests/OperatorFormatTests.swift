// OperatorFormatTests.swift — bytes of joins, windows, set operations, DISTINCT ON, table functions and calls with an order: golden, round
// trip, damage.
import Bytes
import Model
import Testing

@testable import Planning

private enum OperatorPlans {
  static let columns = [OutputColumn("a", .bigint), OutputColumn("b", .text), OutputColumn("t", .timestamp)]
  static let scan = PlanNode.scan(ScanNode(source: .table(TableID(3)), storedColumns: [0, 1, 2], output: columns))
  static func column(_ at: Int) -> Expression { .column(at, columns[at % 3].type) }
  static let join = PlanNode.join(
    JoinNode(
      .mark,
      left: scan,
      right: scan,
      keys: [
        JoinNode.Key(left: column(0), right: column(0), matchesNulls: true),
        JoinNode.Key(left: column(1), right: column(1), marksNulls: true),
      ],
      condition: Expression(.boolean, .call(.less, [column(2), column(5)]))
    )
  )
  static let window = PlanNode.window(
    WindowNode(
      input: scan,
      partitions: [1],
      keys: [SortKey(column: 2, isAscending: false, nullsFirst: true)],
      calls: [
        WindowCall(.rank, [], filter: nil, frame: .standard, type: .bigint),
        WindowCall(
          .aggregate(.max),
          [column(0)],
          filter: .boolean(true),
          frame: WindowFrame(
            unit: .range,
            start: .preceding(TypedValue(.interval, .interval(Interval(days: 1)))),
            end: .following(TypedValue(.interval, .interval(Interval()))),
            exclusion: .ties
          ),
          type: .bigint
        ),
        WindowCall(
          .lag,
          [column(1), .constant(.integer, .fixed(1)), .constant(.text, .null)],
          filter: nil,
          frame: WindowFrame(unit: .rows, start: .preceding(TypedValue(.bigint, .fixed(2))), end: .unboundedFollowing, exclusion: .group),
          type: .text
        ),
      ],
      names: ["r", "m", "l"]
    )
  )
  static let except = PlanNode.setOperation(SetOperationNode(.except, isAll: true, left: scan, right: scan))
  static let distinctOn = PlanNode.distinctOn(DistinctOnNode(input: scan, columns: [2, 0]))
  static let series = PlanNode.tableFunction(
    TableFunctionNode(
      input: scan,
      calls: [
        .init(
          .generateIntegers,
          [column(0), .constant(.bigint, .fixed(9)), .constant(.bigint, .fixed(1))],
          output: [OutputColumn("n", .bigint)]
        ),
        .init(.stringToTable, [column(1), .constant(.text, .null)], output: [OutputColumn("s", .text)]),
      ],
      ordinality: "o",
      keepsLonely: true
    )
  )
  static let aggregate = PlanNode.aggregate(
    AggregateNode(
      input: scan,
      groups: [column(0)],
      calls: [
        AggregateCall(
          .stringAgg,
          [column(1), .constant(.text, .text(","))],
          isDistinct: true,
          order: [.init(column(1), isAscending: false)],
          type: .text
        ),
        AggregateCall(.percentileDisc, [.constant(.double, .double(0.5))], order: [.init(column(2), nullsFirst: true)], type: .timestamp),
        AggregateCall(.mode, [], filter: .boolean(true), order: [.init(column(0))], type: .bigint),
        AggregateCall(.bitOr, [column(0)], type: .bigint),
      ],
      names: ["a", "s", "p", "m", "o"]
    )
  )
  static let all = [join, window, except, distinctOn, series, aggregate]
  static let kinds: [PlanNode] = JoinNode.Kind.allCases.map {
    .join(JoinNode($0, left: scan, right: scan, keys: [], condition: nil))
  }
}

@Test func bytesOfOperatorsAreGolden() {
  func hex(_ plan: PlanNode) -> String {
    FragmentFormat.encode(plan).dropFirst().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
  let scan = hex(OperatorPlans.scan)
  // Every scan is written as S.
  let texts = OperatorPlans.all.map { hex($0).replacing(scan, with: "S") }
  #expect(texts == goldenBytes)
}

@Test func operatorsSurviveTheirBytes() throws {
  for plan in OperatorPlans.all + OperatorPlans.kinds {
    let bytes = FragmentFormat.encode(plan)
    let decoded = try FragmentFormat.decode(bytes)
    #expect(FragmentFormat.encode(decoded) == bytes)
    #expect(decoded.columns == plan.columns)
  }
}

@Test func damagedOperatorsAreRefusedOrWellTyped() throws {
  var state: UInt64 = 11
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
  var refused = 0
  for plan in OperatorPlans.all + OperatorPlans.kinds {
    let bytes = FragmentFormat.encode(plan)
    for cut in bytes.indices { #expect(throws: DecodingFailure.self) { try FragmentFormat.decode(Array(bytes[..<cut])) } }
    for _ in 0..<400 {
      var damaged = bytes
      for _ in 0...next(3) { damaged[next(damaged.count)] = UInt8(truncatingIfNeeded: next(256)) }
      do throws(DecodingFailure) {
        let again = FragmentFormat.encode(try FragmentFormat.decode(damaged))
        #expect(FragmentFormat.encode(try FragmentFormat.decode(again)) == again)
      } catch { refused += 1 }
    }
  }
  #expect(refused > 1000)
}

@Test func operatorsOfTheCoordinatorAreNoFragments() {
  // Kinds behind the last one and an expression of a function of the coordinator.
  for kind: UInt8 in [16, 17, 18, 19, 255] {
    #expect(throws: DecodingFailure.self) { try FragmentFormat.decode([2, kind] + [UInt8](repeating: 0, count: 40)) }
  }
  #expect(throws: DecodingFailure.self) { try FragmentFormat.decode([1, 2, 0, 1]) }
}

@Test func operatorsThatDoNotFitTheirColumnsAreRefused() {
  let (scan, column) = (OperatorPlans.scan, OperatorPlans.column)
  let key = JoinNode.Key(left: column(0), right: column(0), marksNulls: true)
  let frame = WindowFrame(unit: .range, start: .preceding(TypedValue(.bigint, .fixed(1))), end: .currentRow, exclusion: .none)
  func window(_ call: WindowCall) -> PlanNode {
    .window(WindowNode(input: scan, partitions: [], keys: [SortKey(column: 2)], calls: [call], names: ["w"]))
  }
  let plans: [PlanNode] = [
    .join(JoinNode(.inner, left: scan, right: scan, keys: [.init(left: column(0), right: column(1))])),
    .join(JoinNode(.inner, left: scan, right: scan, keys: [key])), .join(JoinNode(.mark, left: scan, right: scan, keys: [key, key])),
    .join(JoinNode(.inner, left: scan, right: scan, keys: [], condition: column(0))),
    .setOperation(SetOperationNode(.except, isAll: false, left: scan, right: OperatorPlans.series)),
    .distinctOn(DistinctOnNode(input: scan, columns: [3])),
    window(WindowCall(.rank, [column(0)], filter: nil, frame: .standard, type: .bigint)),
    window(WindowCall(.rank, [], filter: .boolean(true), frame: .standard, type: .bigint)),
    window(WindowCall(.aggregate(.countStar), [], filter: nil, frame: frame, type: .bigint)),
    window(WindowCall(.aggregate(.sum), [column(1)], filter: nil, frame: .standard, type: .text)),
    .tableFunction(TableFunctionNode(input: scan, calls: [])),
    .tableFunction(TableFunctionNode(input: scan, calls: [.init(.generateIntegers, [column(0)], output: [OutputColumn("n", .bigint)])])),
    .aggregate(AggregateNode(input: scan, groups: [], calls: [AggregateCall(.mode, [], type: .bigint)], names: ["m"])),
  ]
  for plan in plans { #expect(throws: DecodingFailure.self) { try FragmentFormat.decode(FragmentFormat.encode(plan)) } }
}

private let goldenBytes: [String] = [
  "0b08SS0204010004010001070101070101020101030300020a01020a0105",
  "0cS01010102020301720204000002000200016d0c05000401040100010102010202010c0500000000010000000000000000000000030c0"
    + "50000000000000000000000000000000003016c070703070101030201020702000001010401040402",
  "0d0201SS",
  "0eS020200",
  "0fS02010003040100040201120402010201016e040600020701010702000101730701016f01",
  "05S01016104010004017320000702070101070204012c00010107010100017025000a01050202000000000000e03f0000010a010203016"
    + "d260004000101020102000104010001016f0e000401040100000000",
]
