// LiftedFunctionTests.swift — functions of FunctionTable over columns against the same functions value by value: plain texts, texts by
// dictionary, constants, NULLs.
import Columns
import Model
import Testing

@testable import Execution
@testable import Planning

/// What a body gives unless it fails.
private func attempt<R>(_ body: () throws -> R) -> R? {
  do { return try body() } catch { return nil }
}
private func value(_ text: String?, _ type: DataType) throws -> Value { try text.map { try ValueText.parse($0, as: type) } ?? .null }

/// Values of each type, NULL among them.
private func pool(_ type: DataType) -> [Value] {
  let texts: [String?]
  switch type {
  case .boolean: texts = ["t", "f", nil]
  case .smallint, .integer, .bigint: texts = ["3", "1", "-7", "0", nil]
  case .real, .double, .numeric: texts = ["1.5", "-2", "0.25", nil]
  case .text, .name, .bpchar: texts = ["abc", "", "a,b", "ÄÖ x", "[0-9]+", nil]
  case .bytea: texts = ["\\x00ff", "\\x", nil]
  case .json, .jsonb: texts = ["{\"a\": [1, 2]}", "[1, \"x\"]", "5", nil]
  case .date: texts = ["2024-02-29", "1999-12-31", nil]
  case .time: texts = ["10:11:12", nil]
  case .timestamp, .timestamptz: texts = ["2024-02-29 13:14:15", "1970-01-01", nil]
  case .interval: texts = ["1 day 02:03", "-1 mon", nil]
  case .array(.text): texts = ["{a,NULL}", "{}", "{0,1}", nil]
  default: texts = type.element == .integer ? ["{1,2,NULL}", "{}", nil] : [nil]
  }
  // What the type refuses is left out: character(n) takes short texts only.
  return texts.compactMap { text in attempt { try value(text, type) } }
}
private func type(_ parameter: FunctionSignature.Parameter) -> DataType {
  switch parameter {
  case .type(let type): type
  case .any, .anyElement, .anyCompatible: .integer
  case .anyArray, .anyCompatibleArray: .array(.integer)
  }
}

@Test func columnsGiveWhatValuesGive() throws {
  var compared = 0
  for (_, signatures) in FunctionTable.byName.sorted(by: { $0.key < $1.key }) {
    for signature in signatures {
      let count = signature.parameters.count + (signature.isVariadic ? 1 : 0)
      guard let parameters = signature.expanded(to: count), count > 0 else { continue }
      let types = parameters.map(type)
      let pools = types.map(pool)
      // Rows that do not fail, of all values in turn.
      let result = type(signature.result)
      var rows: [[Value]] = []
      var expected: [Value] = []
      let call = Expression(result, .call(signature.function, types.enumerated().map { .column($0.offset, $0.element) }))
      for row in 0..<24 {
        let values = pools.enumerated().map { $0.element[(row / max(1, $0.offset * 3) + row * $0.offset) % $0.element.count] }
        guard let value = attempt({ try ScalarEvaluator.evaluate(call, row: values) }) ?? nil else { continue }
        rows.append(values)
        expected.append(value)
      }
      if rows.isEmpty { continue }
      for isByDictionary in [false, true] {
        let columns = types.indices.map { at in
          let column = ColumnVector(types[at], values: rows.map { $0[at] })
          return isByDictionary ? column.withDictionary() : column
        }
        let batch = Batch(count: rows.count, columns: columns)
        let made = try ExpressionEvaluation.column(call, batch)
        for row in rows.indices {
          let own = ValueText.print(try made.value(row), as: result)
          #expect(own == ValueText.print(expected[row], as: result), "\(signature.name) of \(rows[row])")
        }
        compared += rows.count
      }
      // All but the first as constants: once for each text of a dictionary.
      if count > 1, let constants = rows.first, ExpressionCheck.isWellTyped(call, input: types) {
        var operands = [Expression.column(0, types[0])]
        for at in 1..<count { operands.append(.constant(types[at], constants[at])) }
        let mixed = Expression(result, .call(signature.function, operands))
        let own = pools[0].filter { value in (attempt { try ScalarEvaluator.evaluate(mixed, row: [value]) } ?? nil) != nil }
        if own.isEmpty { continue }
        let made = try ExpressionEvaluation.column(
          mixed,
          Batch(count: own.count, columns: [ColumnVector(types[0], values: own).withDictionary()])
        )
        for (row, value) in own.enumerated() {
          let wanted = try ScalarEvaluator.evaluate(mixed, row: [value]) ?? .null
          #expect(ValueText.print(try made.value(row), as: result) == ValueText.print(wanted, as: result), "\(signature.name) of \(value)")
        }
      }
    }
  }
  #expect(compared > 3000)
}

@Test func castsOverColumnsGiveWhatValuesGive() throws {
  let types: [DataType] = [
    .boolean, .integer, .bigint, .real, .double, .plainNumeric, .text, .varchar(2), .bpchar(4), .name, .bytea, .jsonb, .oid, .date, .time,
    .timestamp, .timestamptz, .interval, .array(.text), .array(.integer),
  ]
  for from in types {
    for to in types where Casts.exists(from: from, to: to) {
      let cast = Expression(to, .cast(.column(0, from)))
      let values = pool(from).filter { value in (attempt { try ScalarEvaluator.evaluate(cast, row: [value]) } ?? nil) != nil }
      if values.isEmpty { continue }
      let made = try ExpressionEvaluation.column(cast, Batch(count: values.count, columns: [ColumnVector(from, values: values)]))
      for (row, value) in values.enumerated() {
        let wanted = try ScalarEvaluator.evaluate(cast, row: [value]) ?? .null
        #expect(ValueText.print(try made.value(row), as: to) == ValueText.print(wanted, as: to), "\(value) from \(from.name) to \(to.name)")
      }
    }
  }
}

@Test func valuesWhoseBytesDoNotOrderSortByTheirMeaning() throws {
  let documents = ["2.50", "\"b\"", "[]", "10", "null", "2.5", "{}"]
  let column = ColumnVector(.jsonb, values: try documents.map { try value($0, .jsonb) })
  let order = RowOrder.order([RowOrderKey(column: column.withDictionary(), isDescending: false, nullsFirst: false)], count: documents.count)
  #expect(order.map { documents[Int($0)] } == ["[]", "null", "\"b\"", "2.50", "2.5", "10", "{}"])
  let arrays = ["{10}", "{2,3}", "{2}", "{NULL}"]
  let lists = ColumnVector(.array(.integer), values: try arrays.map { try value($0, .array(.integer)) })
  let rising = RowOrder.order([RowOrderKey(column: lists, isDescending: false, nullsFirst: false)], count: arrays.count)
  #expect(rising.map { arrays[Int($0)] } == ["{2}", "{2,3}", "{10}", "{NULL}"])
}
