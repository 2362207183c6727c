// FragmentFormat.swift — bytes of a plan that travels to a worker.
//
//   u8 version = 2, plan node
// Version 1 had calls without DISTINCT and order, and nodes up to 10; coordinator and workers are of one version.
// Node: u8 kind, then
//   1 scan: u8 source (0 table, 1 rollup chain, 2 rollup level), varint id, [varint level], count, stored columns (varint),
//     their names and types, count, zone conditions (varint column, u8 comparison, value), bool + filter, bool needsMergedGroups
//   2 values: columns, count, rows     3 filter: input, condition            4 project: input, count, (name, expression)
//   5 aggregate: input, count, (name, group), count, (name, call)            6 sort: input, count, (varint column, u8 flags:
//     1 ascending, 2 nulls first), bool + signed varint first
//     7 limit: input, bool + signed varint count, signed varint offset
//   8 union all: count, inputs         9 expand: input, varint column, signed varint count, count, (name, u8 field)
//   10 fragment input: varint fragment, columns
//   11 join: u8 kind, left, right, count, (left, right, u8 flags: 1 matches NULLs, 2 marks NULLs), bool + condition
//   12 window: input, count, partition columns (varint), count, sort keys as in 6, count, calls:
//     name, u8 function, [u16 aggregate], type, count, arguments, bool + filter, frame: u8 unit, bound, bound, u8 exclusion
//     bound: u8 kind (0 unbounded preceding, 1 preceding, 2 current row, 3 following, 4 unbounded following), [type, value]
//   13 set operation: u8 kind, bool all, left, right        14 distinct on: input, count, columns (varint)
//   16 rows of an earlier fragment: columns, count, batches (BatchFormat)
//   15 table function: input, count, (u16 function, count, arguments, columns), bool + name of the ordinality, bool keepsLonely
// columns: count, (name, type). A name is a string of at most `nameBytesMax`.
// Shared, recursive, working rows and system scans never travel, nor do hosted functions: they are the coordinator's.
// Decoded plans are well-typed; depth ≤ Limits.depthMax; nothing is allocated beyond the bytes that are there.
public import Bytes
import Model

/// Plans as bytes.
public enum FragmentFormat {
  static let version: UInt8 = 2
  static let nameBytesMax = 1024

  /// Encodes a plan.
  public static func encode(_ plan: PlanNode) -> [UInt8] {
    var out = ByteWriter()
    out.u8(version)
    encode(plan, into: &out)
    return out.finish()
  }
  /// Decodes and checks a plan.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> PlanNode {
    try bytes.withReader { reader throws(DecodingFailure) -> PlanNode in
      guard try reader.u8() == version else { throw reader.unknown("fragment version") }
      let plan = try decodeNode(&reader, 0)
      try reader.expectEnd()
      return plan
    }
  }

  /// A function of the coordinator cannot travel: Distribution keeps it there. Nor can a parameter: its value does.
  private static func isLocal(_ expression: Expression) -> Bool {
    switch expression.node {
    case .hosted, .parameter: true
    default: expression.operands.contains(where: isLocal)
    }
  }
  private static func put(_ expression: Expression, into out: inout ByteWriter) {
    invariant(!isLocal(expression), "a function of the coordinator's or a parameter in a fragment")
    ExpressionFormat.encode(expression, into: &out)
  }
  private static func put(_ expressions: [Expression], into out: inout ByteWriter) {
    out.count(expressions.count)
    for expression in expressions { put(expression, into: &out) }
  }
  private static func put(_ expression: Expression?, into out: inout ByteWriter) {
    out.bool(expression != nil)
    if let expression { put(expression, into: &out) }
  }
  private static func put(_ call: AggregateCall, into out: inout ByteWriter) {
    let expressions = call.arguments + (call.filter.map { [$0] } ?? []) + call.order.map(\.expression)
    invariant(!expressions.contains(where: isLocal), "a function of the coordinator's or a parameter in a fragment")
    ExpressionFormat.encode(call, into: &out)
  }

  private static func encode(_ columns: [OutputColumn], into out: inout ByteWriter) {
    out.count(columns.count)
    for column in columns {
      out.string(column.name)
      out.type(column.type)
    }
  }
  private static func encode(_ number: Int64?, into out: inout ByteWriter) {
    out.bool(number != nil)
    if let number { out.signedVarint(number) }
  }

  private static func encode(_ plan: PlanNode, into out: inout ByteWriter) {
    switch plan {
    case .scan(let node): encode(node, into: &out)
    case .values(let node):
      out.u8(2)
      encode(node.output, into: &out)
      out.count(node.rows.count)
      for row in node.rows { for value in row { out.value(value) } }
    case .filter(let node):
      out.u8(3)
      encode(node.input, into: &out)
      put(node.condition, into: &out)
    case .project(let node):
      out.u8(4)
      encode(node.input, into: &out)
      out.count(node.expressions.count)
      for (name, expression) in zip(node.names, node.expressions) {
        out.string(name)
        put(expression, into: &out)
      }
    case .aggregate(let node):
      out.u8(5)
      encode(node.input, into: &out)
      out.count(node.groups.count)
      for (name, group) in zip(node.names, node.groups) {
        out.string(name)
        put(group, into: &out)
      }
      out.count(node.calls.count)
      for (name, call) in zip(node.names.dropFirst(node.groups.count), node.calls) {
        out.string(name)
        put(call, into: &out)
      }
    case .sort(let node):
      out.u8(6)
      encode(node.input, into: &out)
      encode(node.keys, into: &out)
      encode(node.first, into: &out)
    case .limit(let node):
      out.u8(7)
      encode(node.input, into: &out)
      encode(node.count, into: &out)
      out.signedVarint(node.offset)
    case .unionAll(let inputs):
      out.u8(8)
      out.count(inputs.count)
      for input in inputs { encode(input, into: &out) }
    case .expandTopN(let node):
      out.u8(9)
      encode(node.input, into: &out)
      out.count(node.column)
      out.signedVarint(node.count)
      out.count(node.fields.count)
      for (name, field) in zip(node.names, node.fields) {
        out.string(name)
        out.u8(field.rawValue)
      }
    case .join(let node): encode(node, into: &out)
    case .window(let node): encode(node, into: &out)
    case .setOperation(let node):
      out.u8(13)
      out.u8(node.kind.rawValue)
      out.bool(node.isAll)
      encode(node.left, into: &out)
      encode(node.right, into: &out)
    case .distinctOn(let node):
      out.u8(14)
      encode(node.input, into: &out)
      encode(node.columns, into: &out)
    case .tableFunction(let node): encode(node, into: &out)
    case .shared, .recursive, .workingRows, .systemScan: invariant(false, "a plan of the coordinator's in a fragment")
    case .fragmentInput(let node) where node.rows != nil:
      out.u8(16)
      encode(node.output, into: &out)
      SentRows.encode(node.rows ?? [], into: &out)
    case .fragmentInput(let node):
      out.u8(10)
      out.count(node.fragment)
      encode(node.output, into: &out)
    }
  }
  private static func encode(_ scan: ScanNode, into out: inout ByteWriter) {
    out.u8(1)
    switch scan.source {
    case .table(let id):
      out.u8(0)
      out.varint(id.rawValue)
    case .rollup(let id, .chain(let first)):
      out.u8(1)
      out.varint(id.rawValue)
      out.count(first)
    case .rollup(let id, .only(let level)):
      out.u8(2)
      out.varint(id.rawValue)
      out.count(level)
    }
    out.count(scan.storedColumns.count)
    for (stored, column) in zip(scan.storedColumns, scan.output) {
      out.count(stored)
      out.string(column.name)
      out.type(column.type)
    }
    out.count(scan.zoneConditions.count)
    for condition in scan.zoneConditions {
      out.count(condition.storedColumn)
      out.u8(condition.comparison.rawValue)
      out.value(condition.value)
    }
    put(scan.filter, into: &out)
    out.bool(scan.needsMergedGroups)
  }
  private static func encode(_ columns: [Int], into out: inout ByteWriter) {
    out.count(columns.count)
    for column in columns { out.count(column) }
  }
  private static func encode(_ keys: [SortKey], into out: inout ByteWriter) {
    out.count(keys.count)
    for key in keys {
      out.count(key.column)
      out.u8((key.isAscending ? 1 : 0) | (key.nullsFirst ? 2 : 0))
    }
  }
  private static func encode(_ join: JoinNode, into out: inout ByteWriter) {
    out.u8(11)
    out.u8(join.kind.rawValue)
    encode(join.left, into: &out)
    encode(join.right, into: &out)
    out.count(join.keys.count)
    for key in join.keys {
      put(key.left, into: &out)
      put(key.right, into: &out)
      out.u8((key.matchesNulls ? 1 : 0) | (key.marksNulls ? 2 : 0))
    }
    put(join.condition, into: &out)
  }
  private static func encode(_ window: WindowNode, into out: inout ByteWriter) {
    out.u8(12)
    encode(window.input, into: &out)
    encode(window.partitions, into: &out)
    encode(window.keys, into: &out)
    out.count(window.calls.count)
    for (name, call) in zip(window.names, window.calls) {
      out.string(name)
      out.u8(call.function.number)
      if case .aggregate(let aggregate) = call.function { out.u16(aggregate.rawValue) }
      out.type(call.type)
      put(call.arguments, into: &out)
      put(call.filter, into: &out)
      out.u8(call.frame.unit.rawValue)
      encode(call.frame.start, into: &out)
      encode(call.frame.end, into: &out)
      out.u8(call.frame.exclusion.rawValue)
    }
  }
  private static func encode(_ bound: WindowFrame.Bound, into out: inout ByteWriter) {
    func offset(_ kind: UInt8, _ value: TypedValue) {
      out.u8(kind)
      out.type(value.type)
      out.value(value.value)
    }
    switch bound {
    case .unboundedPreceding: out.u8(0)
    case .preceding(let value): offset(1, value)
    case .currentRow: out.u8(2)
    case .following(let value): offset(3, value)
    case .unboundedFollowing: out.u8(4)
    }
  }
  private static func encode(_ node: TableFunctionNode, into out: inout ByteWriter) {
    out.u8(15)
    encode(node.input, into: &out)
    out.count(node.calls.count)
    for call in node.calls {
      out.u16(call.function.rawValue)
      put(call.arguments, into: &out)
      encode(call.output, into: &out)
    }
    out.bool(node.ordinality != nil)
    if let name = node.ordinality { out.string(name) }
    out.bool(node.keepsLonely)
  }
}

extension WindowFunction {
  /// Number on the wire; an aggregate's own follows it.
  var number: UInt8 {
    switch self {
    case .rowNumber: 1
    case .rank: 2
    case .denseRank: 3
    case .percentRank: 4
    case .cumeDist: 5
    case .ntile: 6
    case .lag: 7
    case .lead: 8
    case .firstValue: 9
    case .lastValue: 10
    case .nthValue: 11
    case .aggregate: 12
    }
  }
  /// The function of a number but 12, which is an aggregate's.
  init?(number: UInt8) {
    let all: [WindowFunction] = [
      .rowNumber, .rank, .denseRank, .percentRank, .cumeDist, .ntile, .lag, .lead, .firstValue, .lastValue, .nthValue,
    ]
    guard number >= 1, Int(number) <= all.count else { return nil }
    self = all[Int(number) - 1]
  }
}
