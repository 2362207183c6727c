// FragmentFormat.swift — bytes of a plan that travels to a worker.
//
//   u8 version = 1, plan node
// Node: u8 kind, then
//   1 scan: u8 source (0 table, 1 rollup chain, 2 rollup level), varint id, [varint level], count, stored columns (varint),
//     their names and types, count, zone conditions (varint column, u8 comparison, value), bool + filter, bool needsMergedGroups
//   2 values: columns, count, rows     3 filter: input, condition            4 project: input, count, (name, expression)
//   5 aggregate: input, count, (name, group), count, (name, call)            6 sort: input, count, (varint column, u8 flags:
//     1 ascending, 2 nulls first), bool + signed varint first
//     7 limit: input, bool + signed varint count, signed varint offset
//   8 union all: count, inputs         9 expand: input, varint column, signed varint count, count, (name, u8 field)
//   10 fragment input: varint fragment, columns
// columns: count, (name, type). A name is a string of at most `nameBytesMax`.
// Decoded plans are well-typed; depth ≤ Limits.depthMax; nothing is allocated beyond the bytes that are there.
public import Bytes
import Model

/// Plans as bytes.
public enum FragmentFormat {
  static let version: UInt8 = 1
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
      ExpressionFormat.encode(node.condition, into: &out)
    case .project(let node):
      out.u8(4)
      encode(node.input, into: &out)
      out.count(node.expressions.count)
      for (name, expression) in zip(node.names, node.expressions) {
        out.string(name)
        ExpressionFormat.encode(expression, into: &out)
      }
    case .aggregate(let node):
      out.u8(5)
      encode(node.input, into: &out)
      out.count(node.groups.count)
      for (name, group) in zip(node.names, node.groups) {
        out.string(name)
        ExpressionFormat.encode(group, into: &out)
      }
      out.count(node.calls.count)
      for (name, call) in zip(node.names.dropFirst(node.groups.count), node.calls) {
        out.string(name)
        ExpressionFormat.encode(call, into: &out)
      }
    case .sort(let node):
      out.u8(6)
      encode(node.input, into: &out)
      out.count(node.keys.count)
      for key in node.keys {
        out.count(key.column)
        out.u8((key.isAscending ? 1 : 0) | (key.nullsFirst ? 2 : 0))
      }
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
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
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
    ExpressionFormat.encode(scan.filter, into: &out)
    out.bool(scan.needsMergedGroups)
  }
}
