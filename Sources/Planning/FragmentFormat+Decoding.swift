// FragmentFormat+Decoding.swift — the reading side of FragmentFormat: every number checked, every expression typed.
import Bytes
import Model

extension FragmentFormat {
  private static func malformed(_ reader: borrowing ByteReader, _ what: String) -> DecodingFailure {
    DecodingFailure(.malformed, at: reader.position, what)
  }
  private static func column(_ reader: inout ByteReader) throws(DecodingFailure) -> Int {
    try reader.count(max: Limits.columnsMax * 8, "column number")
  }
  private static func name(_ reader: inout ByteReader) throws(DecodingFailure) -> String {
    try reader.string(max: nameBytesMax)
  }
  private static func columns(_ reader: inout ByteReader) throws(DecodingFailure) -> [OutputColumn] {
    var result: [OutputColumn] = []
    for _ in 0..<(try reader.countOfRest("columns")) {
      let name = try name(&reader)
      result.append(OutputColumn(name, try reader.type()))
    }
    return result
  }
  private static func optionalNumber(_ reader: inout ByteReader) throws(DecodingFailure) -> Int64? {
    guard try reader.bool() else { return nil }
    return try nonNegative(&reader)
  }
  private static func nonNegative(_ reader: inout ByteReader) throws(DecodingFailure) -> Int64 {
    let number = try reader.signedVarint()
    guard number >= 0 else { throw malformed(reader, "negative count of rows") }
    return number
  }

  static func decodeNode(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> PlanNode {
    guard depth < Limits.depthMax else { throw DecodingFailure(.tooLarge, at: reader.position, "plan nests too deep") }
    switch try reader.u8() {
    case 1: return .scan(try scan(&reader))
    case 2: return .values(try values(&reader))
    case 3:
      let input = try decodeNode(&reader, depth + 1)
      return .filter(
        FilterNode(input: input, condition: try ExpressionFormat.decodeCondition(&reader, types(input)))
      )
    case 4:
      let input = try decodeNode(&reader, depth + 1)
      let types = types(input)
      var names: [String] = []
      var expressions: [Expression] = []
      for _ in 0..<(try reader.countOfRest("expressions")) {
        names.append(try name(&reader))
        expressions.append(try ExpressionFormat.decode(&reader, input: types))
      }
      return .project(ProjectNode(input: input, expressions: expressions, names: names))
    case 5: return .aggregate(try aggregate(&reader, depth))
    case 6:
      let input = try decodeNode(&reader, depth + 1)
      let keys = try sortKeys(&reader, types(input))
      return .sort(SortNode(input: input, keys: keys, first: try optionalNumber(&reader)))
    case 7:
      let input = try decodeNode(&reader, depth + 1)
      let count = try optionalNumber(&reader)
      return .limit(LimitNode(input: input, count: count, offset: try nonNegative(&reader)))
    case 8:
      var inputs: [PlanNode] = []
      for _ in 0..<(try reader.countOfRest("inputs")) {
        let input = try decodeNode(&reader, depth + 1)
        if let first = inputs.first, types(first) != types(input) { throw malformed(reader, "inputs of a union differ") }
        inputs.append(input)
      }
      guard !inputs.isEmpty else { throw malformed(reader, "a union of nothing") }
      return .unionAll(inputs)
    case 9: return .expandTopN(try expansion(&reader, depth))
    case 10:
      let fragment = try reader.count(max: 4096, "fragment number")
      return .fragmentInput(FragmentInputNode(fragment: fragment, output: try columns(&reader)))
    case 11: return .join(try join(&reader, depth))
    case 12: return .window(try window(&reader, depth))
    case 13:
      guard let kind = SetOperationNode.Kind(rawValue: try reader.u8()) else { throw reader.unknown("set operation") }
      let isAll = try reader.bool()
      let left = try decodeNode(&reader, depth + 1)
      let right = try decodeNode(&reader, depth + 1)
      guard types(left) == types(right), types(left).allSatisfy(isComparable) else {
        throw malformed(reader, "inputs of a set operation")
      }
      return .setOperation(SetOperationNode(kind, isAll: isAll, left: left, right: right))
    case 14:
      let input = try decodeNode(&reader, depth + 1)
      return .distinctOn(DistinctOnNode(input: input, columns: try comparedColumns(&reader, types(input))))
    case 15: return .tableFunction(try tableFunction(&reader, depth))
    case 16:
      let output = try columns(&reader)
      let rows = try SentRows.decode(&reader, types: output.map(\.type))
      return .fragmentInput(FragmentInputNode(fragment: 0, output: output, rows: rows))
    case let kind: throw reader.unknown("plan node kind \(kind)")
    }
  }
  private static func types(_ node: PlanNode) -> [DataType] { node.columns.map(\.type) }
  private static func isComparable(_ type: DataType) -> Bool { ExpressionCheck.isComparable(ExpressionCheck.family(type)) }
  private static func sortKeys(_ reader: inout ByteReader, _ types: [DataType]) throws(DecodingFailure) -> [SortKey] {
    var keys: [SortKey] = []
    for _ in 0..<(try reader.countOfRest("sort keys")) {
      let column = try column(&reader)
      let flags = try reader.u8()
      guard column < types.count, isComparable(types[column]), flags < 4 else { throw malformed(reader, "sort key") }
      keys.append(SortKey(column: column, isAscending: flags & 1 != 0, nullsFirst: flags & 2 != 0))
    }
    return keys
  }
  private static func comparedColumns(_ reader: inout ByteReader, _ types: [DataType]) throws(DecodingFailure) -> [Int] {
    var columns: [Int] = []
    for _ in 0..<(try reader.countOfRest("compared columns")) {
      let column = try column(&reader)
      guard column < types.count, isComparable(types[column]) else { throw malformed(reader, "compared column") }
      columns.append(column)
    }
    return columns
  }

  private static func join(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> JoinNode {
    guard let kind = JoinNode.Kind(rawValue: try reader.u8()) else { throw reader.unknown("join kind") }
    let left = try decodeNode(&reader, depth + 1)
    let right = try decodeNode(&reader, depth + 1)
    let (leftTypes, rightTypes) = (types(left), types(right))
    var keys: [JoinNode.Key] = []
    for _ in 0..<(try reader.countOfRest("join keys")) {
      let own = try ExpressionFormat.decode(&reader, input: leftTypes)
      let other = try ExpressionFormat.decode(&reader, input: rightTypes)
      let flags = try reader.u8()
      let marks = flags & 2 != 0
      guard ExpressionCheck.family(own.type) == ExpressionCheck.family(other.type), isComparable(own.type), flags < 4,
        !marks || (kind == .mark && !keys.contains(where: \.marksNulls))
      else { throw malformed(reader, "join key") }
      keys.append(JoinNode.Key(left: own, right: other, matchesNulls: flags & 1 != 0, marksNulls: marks))
    }
    let condition = try reader.bool() ? try ExpressionFormat.decodeCondition(&reader, leftTypes + rightTypes) : nil
    return JoinNode(kind, left: left, right: right, keys: keys, condition: condition)
  }
  private static func window(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> WindowNode {
    let input = try decodeNode(&reader, depth + 1)
    let types = types(input)
    let partitions = try comparedColumns(&reader, types)
    var window = WindowNode(input: input, partitions: partitions, keys: try sortKeys(&reader, types), calls: [], names: [])
    for _ in 0..<(try reader.countOfRest("window calls")) {
      window.names.append(try name(&reader))
      let number = try reader.u8()
      let function: WindowFunction
      if number == 12 {
        guard let aggregate = AggregateFunction(rawValue: try reader.u16()) else { throw reader.unknown("aggregate") }
        function = .aggregate(aggregate)
      } else if let own = WindowFunction(number: number) {
        function = own
      } else {
        throw reader.unknown("window function \(number)")
      }
      let type = try reader.type()
      let arguments = try ExpressionFormat.decodeList(&reader, types)
      let filter = try reader.bool() ? try ExpressionFormat.decodeCondition(&reader, types) : nil
      let call = WindowCall(function, arguments, filter: filter, frame: try frame(&reader), type: type)
      guard ExpressionCheck.isWellTyped(call, keys: window.keys.map { types[$0.column] }) else {
        throw malformed(reader, "window call does not fit its arguments")
      }
      window.calls.append(call)
    }
    return window
  }
  private static func frame(_ reader: inout ByteReader) throws(DecodingFailure) -> WindowFrame {
    guard let unit = WindowFrame.Unit(rawValue: try reader.u8()) else { throw reader.unknown("frame unit") }
    let start = try bound(&reader)
    let end = try bound(&reader)
    guard let exclusion = WindowFrame.Exclusion(rawValue: try reader.u8()) else { throw reader.unknown("frame exclusion") }
    return WindowFrame(unit: unit, start: start, end: end, exclusion: exclusion)
  }
  private static func bound(_ reader: inout ByteReader) throws(DecodingFailure) -> WindowFrame.Bound {
    let kind = try reader.u8()
    switch kind {
    case 0: return .unboundedPreceding
    case 2: return .currentRow
    case 4: return .unboundedFollowing
    case 1, 3:
      let type = try reader.type()
      let value = try reader.value()
      guard !value.isNull, ExpressionCheck.fits(value, type) else { throw malformed(reader, "offset of a frame") }
      return kind == 1 ? .preceding(TypedValue(type, value)) : .following(TypedValue(type, value))
    default: throw reader.unknown("frame bound \(kind)")
    }
  }
  private static func tableFunction(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> TableFunctionNode {
    let input = try decodeNode(&reader, depth + 1)
    let types = types(input)
    var calls: [TableFunctionNode.Call] = []
    for _ in 0..<(try reader.countOfRest("table functions")) {
      guard let function = TableFunction(rawValue: try reader.u16()) else { throw reader.unknown("table function") }
      let arguments = try ExpressionFormat.decodeList(&reader, types)
      let call = TableFunctionNode.Call(function, arguments, output: try columns(&reader))
      guard ExpressionCheck.isWellTyped(call) else { throw malformed(reader, "table function does not fit its arguments") }
      calls.append(call)
    }
    guard !calls.isEmpty else { throw malformed(reader, "no table function") }
    let ordinality = try reader.bool() ? try name(&reader) : nil
    return TableFunctionNode(input: input, calls: calls, ordinality: ordinality, keepsLonely: try reader.bool())
  }

  private static func scan(_ reader: inout ByteReader) throws(DecodingFailure) -> ScanNode {
    let kind = try reader.u8()
    let id = TableID(try reader.varint())
    let source: ScanSource
    switch kind {
    case 0: source = .table(id)
    case 1: source = .rollup(id, .chain(first: try reader.count(max: Limits.levelsMax - 1, "level")))
    case 2: source = .rollup(id, .only(try reader.count(max: Limits.levelsMax - 1, "level")))
    default: throw reader.unknown("scan source \(kind)")
    }
    var stored: [Int] = []
    var output: [OutputColumn] = []
    for _ in 0..<(try reader.countOfRest("columns")) {
      stored.append(try column(&reader))
      let name = try name(&reader)
      output.append(OutputColumn(name, try reader.type()))
      if stored.last == ScanNode.placeColumn {
        guard case .table = source, output.last?.type == .bigint else { throw malformed(reader, "place of a row") }
      }
    }
    var conditions: [ZoneCondition] = []
    for _ in 0..<(try reader.countOfRest("zone conditions")) {
      let column = try column(&reader)
      guard let comparison = ZoneCondition.Comparison(rawValue: try reader.u8()) else {
        throw reader.unknown("comparison")
      }
      let value = try reader.value()
      guard !value.isNull else { throw malformed(reader, "zone condition on NULL") }
      // Its type is the stored column's; the scanned output tells it where the column is returned too.
      if let at = stored.firstIndex(of: column), !ExpressionCheck.fits(value, output[at].type) {
        throw malformed(reader, "zone condition of another type")
      }
      conditions.append(ZoneCondition(storedColumn: column, comparison, value))
    }
    var filter: Expression?
    if try reader.bool() { filter = try ExpressionFormat.decodeCondition(&reader, output.map(\.type)) }
    return ScanNode(
      source: source,
      storedColumns: stored,
      output: output,
      zoneConditions: conditions,
      filter: filter,
      needsMergedGroups: try reader.bool()
    )
  }
  private static func values(_ reader: inout ByteReader) throws(DecodingFailure) -> ValuesNode {
    let output = try columns(&reader)
    let count = output.isEmpty ? try reader.count(max: 1, "rows") : try reader.countOfRest("rows")
    var rows: [[Value]] = []
    for _ in 0..<count {
      var row: [Value] = []
      for column in output {
        let value = try reader.value()
        guard ExpressionCheck.fits(value, column.type) else { throw malformed(reader, "value of another type") }
        row.append(value)
      }
      rows.append(row)
    }
    return ValuesNode(output: output, rows: rows)
  }
  private static func aggregate(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> AggregateNode {
    let input = try decodeNode(&reader, depth + 1)
    let types = types(input)
    var result = AggregateNode(input: input, groups: [], calls: [], names: [])
    for _ in 0..<(try reader.countOfRest("groups")) {
      result.names.append(try name(&reader))
      let group = try ExpressionFormat.decode(&reader, input: types)
      guard ExpressionCheck.isComparable(ExpressionCheck.family(group.type)) else {
        throw malformed(reader, "a group of a type without equality")
      }
      result.groups.append(group)
    }
    for _ in 0..<(try reader.countOfRest("aggregates")) {
      result.names.append(try name(&reader))
      result.calls.append(try ExpressionFormat.decodeCall(&reader, types))
    }
    return result
  }
  private static func expansion(_ reader: inout ByteReader, _ depth: Int) throws(DecodingFailure) -> ExpandTopNNode {
    let input = try decodeNode(&reader, depth + 1)
    let inputTypes = types(input)
    let state = try column(&reader)
    guard state < inputTypes.count, case .topn = inputTypes[state] else { throw malformed(reader, "not a topn column") }
    var result = ExpandTopNNode(input: input, column: state, count: try nonNegative(&reader), fields: [], names: [])
    for _ in 0..<(try reader.countOfRest("fields")) {
      result.names.append(try name(&reader))
      guard let field = ExpandTopNNode.Field(rawValue: try reader.u8()) else { throw reader.unknown("field") }
      result.fields.append(field)
    }
    return result
  }
}
