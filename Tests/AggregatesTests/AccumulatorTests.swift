import Aggregates
import Bytes
import Columns
import Model
import Testing

@Suite struct AccumulatorTests {
  static func run(
    _ kind: AggregateKind,
    _ arguments: [ColumnVector],
    groups: [UInt32],
    groupCount: Int,
    blocks: Int = 1,
    filter: Bitmap? = nil
  ) throws -> ColumnVector {
    let types = arguments.map(\.type)
    let whole = try Accumulators.make(kind, argumentTypes: types)
    // The same rows again, spread over partial accumulators in blocks and merged in another order of groups.
    let merged = try Accumulators.make(kind, argumentTypes: types)
    let reversed = groups.map { UInt32(groupCount) - 1 - $0 }
    let rows = groups.count
    for block in 0..<blocks {
      let range = block * rows / blocks..<(block + 1) * rows / blocks
      let (slices, bits) = (arguments.map { $0.slice(range) }, filter?.slice(range))
      try Array(groups[range]).withUnsafeBufferPointer { ids in
        try whole.update(ids, groupCount: groupCount, arguments: slices, filter: bits)
      }
      let part = try Accumulators.make(kind, argumentTypes: types)
      try Array(reversed[range]).withUnsafeBufferPointer { ids in
        try part.update(ids, groupCount: groupCount, arguments: slices, filter: bits)
      }
      let partial = try part.finishPartial(groupCount: groupCount)
      #expect(partial.map(\.type) == part.partialTypes)
      let travelled = try BatchFormat.decode(
        BatchFormat.encode(Batch(count: groupCount, columns: partial)),
        types: part.partialTypes
      )
      let back = (0..<UInt32(groupCount)).map { UInt32(groupCount) - 1 - $0 }
      try back.withUnsafeBufferPointer { ids in
        try merged.merge(ids, groupCount: groupCount, partials: travelled.columns)
      }
    }
    let result = try whole.finish(groupCount: groupCount)
    #expect(result.type == whole.resultType && whole.memoryBytes > 0)
    let other = try merged.finish(groupCount: groupCount)
    #expect(
      RawRows.show(Batch(count: groupCount, columns: [result]))
        == RawRows.show(Batch(count: groupCount, columns: [other]))
    )
    return result
  }
  static func show(_ column: ColumnVector) -> [String] {
    RawRows.show(Batch(count: column.count, columns: [column]))
  }

  @Test func emptyGroupsFollowTheRules() throws {
    let hll = HLLParameters(log2m: 5)
    let topn = TopNParameters(counters: 5)
    // Group 0 has no rows, group 1 only NULLs.
    func two(_ kind: AggregateKind, _ type: DataType) throws -> [String] {
      Self.show(try Self.run(kind, [.nulls(type, count: 1)], groups: [1], groupCount: 2))
    }
    #expect(try two(.count, .integer) == ["0", "0"])
    for type in [DataType.integer, .bigint, .double, .plainNumeric, .interval] {
      #expect(try two(.sum, type) == ["NULL", "NULL"])
      #expect(try two(.average, type) == ["NULL", "NULL"])
      #expect(try two(.min, type) == ["NULL", "NULL"])
    }
    #expect(try two(.max, .text) == ["NULL", "NULL"])
    #expect(try two(.boolAnd, .boolean) == ["NULL", "NULL"])
    #expect(try two(.hllAdd(hll), .hllHashval) == ["NULL", HLLFunctions.text(HyperLogLog(hll))])
    #expect(try two(.hllUnion, .hll(hll)) == ["NULL", "NULL"])
    let empty = hex(TopNFormat.encode(TopN(topn)))
    #expect(try two(.topnAdd(topn), .text) == [empty, empty])
    #expect(try two(.topnUnion, .topn(topn)) == [empty, empty])
    #expect(throws: TallyError.self) { try Accumulators.make(.sum, argumentTypes: [.text]) }
    #expect(throws: TallyError.self) {
      try Accumulators.make(.hllAdd(hll), argumentTypes: [.bigint])
    }
  }
  @Test func resultTypesAndAveragesArePostgresql() throws {
    func all(_ kind: AggregateKind, _ column: ColumnVector) throws -> ColumnVector {
      try Self.run(
        kind,
        [column],
        groups: .init(repeating: 0, count: column.count),
        groupCount: 1,
        blocks: 2
      )
    }
    let small = ColumnVector(.smallint, .fixed([1, 2, 4]))
    let wide = ColumnVector(.bigint, .fixed([.max, .max, 1]))
    #expect(try all(.sum, small).type == .bigint)
    #expect(try all(.sum, wide).type == .plainNumeric)
    func number(_ column: ColumnVector) -> Numeric? {
      if case .numeric(let v) = column.values { v[0] } else { nil }
    }
    #expect(
      number(try all(.sum, wide)) == Numeric(coefficient: Int128(Int64.max) * 2 + 1, scale: 0)
    )
    // select avg(x) from (values (1), (2), (4)): 2.3333333333333333
    let third = try #require(number(try all(.average, small)))
    #expect(third.coefficient == 23_333_333_333_333_333 && third.scale == 16)
    let prices = ColumnVector(
      .plainNumeric,
      .numeric([Numeric(coefficient: 15, scale: 1), Numeric(coefficient: 225, scale: 2)])
    )
    #expect(number(try all(.sum, prices)) == Numeric(coefficient: 375, scale: 2))
    #expect(number(try all(.average, prices)) == Numeric(coefficient: 1875, scale: 3))
    #expect(Self.show(try all(.average, ColumnVector(.double, .double([1, 2])))) == ["1.5"])
    let spans = ColumnVector(
      .interval,
      .interval([Interval(months: 1, days: 1), Interval(months: 2)])
    )
    guard case .interval(let average) = try all(.average, spans).values else { return }
    #expect(average[0] == Interval(months: 1, days: 15, microseconds: 43_200_000_000))
  }
  @Test func randomRowsEqualStateBuild() throws {
    for (seed, groupCount) in [(1, 1), (2, 3), (3, 40)] {
      let raw = RawRows(5000, tenants: Int64(groupCount), buckets: 1, seed: UInt64(seed))
      let groups = raw.rows.map { UInt32($0.tenant) }
      let inputs = try raw.inputs()
      let built = try StateBuild.build(keys: [raw.keys[0]], measures: inputs, topNPruneMultiple: 1)
      let kinds: [(Int, AggregateKind)] = [
        (0, .count), (1, .count), (2, .sum), (4, .sum), (5, .sum), (6, .min), (7, .max),
        (8, .boolAnd), (9, .boolOr),
        (10, .hllAdd(RawRows.hll)), (11, .topnAdd(RawRows.topn)), (12, .topnAdd(RawRows.topn)),
      ]
      for (at, kind) in kinds {
        let arguments =
          (inputs[at].argument.map { [$0] } ?? []) + (inputs[at].weight.map { [$0] } ?? [])
        if kind == .topnAdd(RawRows.topn) {
          // Pruned twice against once: only the outcome of one accumulator is compared.
          let one = try Accumulators.make(kind, argumentTypes: arguments.map(\.type))
          try groups.withUnsafeBufferPointer { ids in
            try one.update(
              ids,
              groupCount: groupCount,
              arguments: arguments,
              filter: inputs[at].filter
            )
          }
          #expect(
            Self.show(try one.finish(groupCount: groupCount)) == Self.show(built.columns[at + 1])
          )
        }
        let result = try Self.run(
          kind,
          arguments,
          groups: groups,
          groupCount: groupCount,
          blocks: 7,
          filter: inputs[at].filter
        )
        #expect(Self.show(result) == Self.show(built.columns[at + 1]))
      }
    }
  }
  @Test func unionsOfStatesEqualStateMerge() throws {
    let raw = RawRows(8000, tenants: 30, buckets: 20, seed: 9, items: 300)
    let built = try StateBuild.build(
      keys: Array(raw.keys[0...1]),
      measures: raw.inputs(),
      topNPruneMultiple: 2
    )
    let merged = try StateMerge.merge(
      [built.select([0] + Array(2..<built.columns.count))],
      keyCount: 1,
      measures: RawRows.measures,
      pruning: .to(multiple: 1)
    )
    guard case .fixed(let tenants) = built.columns[0].values else { return }
    for (column, kind) in [(12, AggregateKind.hllUnion), (13, .topnUnion), (14, .topnUnion)] {
      let result = try Self.run(
        kind,
        [built.columns[column]],
        groups: tenants.map { UInt32($0) },
        groupCount: 30,
        blocks: 5
      )
      #expect(Self.show(result) == Self.show(merged.columns[column - 1]))
    }
  }
  @Test func undefinedAndOtherParametersOfStates() throws {
    let p = HLLParameters(log2m: 5)
    var full = HyperLogLog(p)
    for hash in HLLHash.integers(Array(0..<100), width: 8) { full.add(hash) }
    let column = ColumnVector(hll: [full, HyperLogLog(p, .undefined), full], p)
    let result = try Self.run(.hllUnion, [column], groups: [0, 0, 0], groupCount: 1, blocks: 3)
    #expect(Self.show(result) == [HLLFunctions.text(HyperLogLog(p, .undefined))])
    let accumulator = try Accumulators.make(.hllUnion, argumentTypes: [.hll(p)])
    let other = ColumnVector(hll: [HyperLogLog()], HLLParameters())
    #expect(throws: TallyError.self) {
      try ([0] as [UInt32]).withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 1, arguments: [other], filter: nil)
      }
    }
  }
}
