// RowFunctions.swift — functions that give rows of one array, JSON document or text: the one implementation of each, for one row of
// arguments. Execution lifts it over columns. Series and string_to_table have kernels of their own there.
public import Model

/// Functions that give rows.
public enum RowFunctions {
  /// Whether `append` has it.
  public static func has(_ function: TableFunction) -> Bool {
    switch function {
    case .unnest, .regexpSplit, .regexpMatches, .jsonbArrayElements, .jsonbArrayElementsText, .jsonbEach, .jsonbEachText, .jsonbObjectKeys,
      .generateSubscripts:
      true
    case .generateIntegers, .generateNumerics, .generateTimes, .stringToTable: false
    }
  }

  /// Appends the function's rows to its columns; no argument is NULL, and their types are what `ExpressionCheck` admits.
  public static func append(
    _ function: TableFunction,
    _ values: [Value],
    _ types: [DataType],
    to columns: inout [[Value]],
    _ memory: inout FunctionMemory
  ) throws(TallyError) {
    let a = FunctionArguments(values: values, types: types)
    switch function {
    case .unnest: columns[0] += try a.array(0).elements
    case .generateSubscripts:
      // Arrays have one dimension and begin at 1, the catalogs' vectors at 0; an empty one has none.
      guard a.integer(1) == 1 else { return }
      let first: Int64 = if case .array(let element)? = types.first, element.isVector { 0 } else { 1 }
      for place in 0..<(try a.array(0).elements.count) { columns[0].append(.fixed(Int64(place) + first)) }
    case .regexpSplit:
      let flags = try RegexFlags(a.text(2))
      guard !flags.isGlobal else { throw .sql("22023", "regexp_split_to_table() does not support the \"global\" option") }
      columns[0] += ScalarFunctions.split(a.scalars(0), try memory.regex(a.text(1), flags)).map { .text($0) }
    case .regexpMatches:
      let flags = try RegexFlags(a.text(2))
      let regex = try memory.regex(a.text(1), flags)
      let all = a.scalars(0)
      let found = flags.isGlobal ? ScalarFunctions.matches(regex, all, from: 0) : regex.search(all, from: 0).map { [$0] } ?? []
      for match in found { columns[0].append(try ArrayValue(.text, ScalarFunctions.groups(regex, all, match)).value()) }
    case .jsonbArrayElements, .jsonbArrayElementsText:
      switch try a.json(0) {
      case .array(let items):
        let isText = function == .jsonbArrayElementsText
        for item in items { columns[0].append(isText ? ScalarFunctions.plain(item) : .text(item.text)) }
      case .object: throw .sql("22023", "cannot extract elements from an object")
      default: throw .sql("22023", "cannot extract elements from a scalar")
      }
    case .jsonbEach, .jsonbEachText:
      let isText = function == .jsonbEachText
      guard case .object(let members) = try a.json(0) else {
        throw .sql("22023", "cannot call \(isText ? "jsonb_each_text" : "jsonb_each") on a non-object")
      }
      for member in members {
        columns[0].append(.text(member.key))
        columns[1].append(isText ? ScalarFunctions.plain(member.value) : .text(member.value.text))
      }
    case .jsonbObjectKeys:
      switch try a.json(0) {
      case .object(let members): for member in members { columns[0].append(.text(member.key)) }
      case .array: throw .sql("22023", "cannot call jsonb_object_keys on an array")
      default: throw .sql("22023", "cannot call jsonb_object_keys on a scalar")
      }
    case .generateIntegers, .generateNumerics, .generateTimes, .stringToTable: break
    }
  }
}
