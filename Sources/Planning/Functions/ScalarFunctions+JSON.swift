// ScalarFunctions+JSON.swift — functions of jsonb, and JSON made of SQL values.
//
// A `json` result is written as PostgreSQL's json builders do (`{"a" : 1, "b" : 2}`); a jsonb is canonical (JSONValue).
import Bytes
import Model

extension ScalarFunctions {
  static func document(_ function: Function, _ a: FunctionArguments, _ result: DataType) throws(TallyError) -> Value {
    if a.count > 1, a.types[0] == .json, let found = try written(function, a) { return found }
    switch function {
    case .jsonField: return wrap(try a.json(0)[a.text(1)])
    case .jsonFieldText: return plain(try a.json(0)[a.text(1)])
    case .jsonElement: return wrap(subscripted(try a.json(0), a.integer(1)))
    case .jsonElementText: return plain(subscripted(try a.json(0), a.integer(1)))
    case .jsonPath, .jsonPathText:
      let path = try path(a)
      guard let path else { return .null }
      let found = follow(try a.json(0), path)
      return function == .jsonPath ? wrap(found) : plain(found)
    case .jsonContains: return .fixed(contains(try a.json(0), try a.json(1), isTop: true) ? 1 : 0)
    case .jsonHasKey: return .fixed(hasKey(try a.json(0), a.text(1)) ? 1 : 0)
    case .jsonHasAny, .jsonHasAll:
      let json = try a.json(0)
      let keys = try a.array(1).elements.compactMap { if case .text(let key) = $0 { key } else { nil } }
      let holds = function == .jsonHasAny ? keys.contains { hasKey(json, $0) } : keys.allSatisfy { hasKey(json, $0) }
      return .fixed(holds ? 1 : 0)
    case .jsonConcatenate: return .text(concatenated(try a.json(0), try a.json(1)).text)
    case .jsonDeleteKey: return .text(try deleting(try a.json(0), [a.text(1)]).text)
    case .jsonDeleteKeys:
      let keys = try a.array(1).elements.compactMap { if case .text(let key) = $0 { key } else { nil } }
      return .text(try deleting(try a.json(0), keys).text)
    case .jsonDeleteElement:
      switch try a.json(0) {
      case .array(var items):
        let at = a.integer(1) < 0 ? a.integer(1) + Int64(items.count) : a.integer(1)
        if at >= 0, at < Int64(items.count) { items.remove(at: Int(at)) }
        return .text(JSONValue.array(items).text)
      case .object: throw .sql("22023", "cannot delete from object using integer index")
      default: throw .sql("22023", "cannot delete from scalar")
      }
    case .jsonDeletePath:
      guard let path = try path(a) else { return .null }
      let json = try a.json(0)
      if json.isScalar { throw .sql("22023", "cannot delete path in scalar") }
      if json.isEmpty { return .text(json.text) }
      return .text(try changed(json, path[...], path.count, .delete).text)
    case .jsonSet, .jsonInsert: return try set(a, isInsert: function == .jsonInsert)
    case .jsonBuildObject: return try buildObject(a, result)
    case .jsonBuildArray:
      if result == .json {
        return .text("[" + (try texts(a.values, a.types)).joined(separator: ", ") + "]")
      }
      var items: [JSONValue] = []
      for (value, type) in zip(a.values, a.types) { items.append(try json(value, type)) }
      return .text(JSONValue.array(items).text)
    case .toJSONB: return .text(result == .json ? try texts(a.values, a.types)[0] : try json(a.values[0], a.types[0]).text)
    case .jsonTypeof: return .text(try a.json(0).typeName)
    case .jsonArrayLength:
      switch try a.json(0) {
      case .array(let items): return .fixed(Int64(items.count))
      case .object: throw .sql("22023", "cannot get array length of a non-array")
      default: throw .sql("22023", "cannot get array length of a scalar")
      }
    case .jsonStripNulls: return .text(strippingNulls(try a.json(0)).text)
    case .jsonPretty:
      var out = ""
      try pretty(try a.json(0), 0, &out)
      return .text(out)
    default: return try objectOfTexts(a)
    }
  }

  // MARK: Reading

  /// The part of a json that a function takes, as it is written; nil for functions that take none.
  private static func written(_ function: Function, _ a: FunctionArguments) throws(TallyError) -> Value? {
    let json = JSONText(a.text(0))
    let part: JSONText?
    switch function {
    case .jsonField, .jsonFieldText: part = try json.member(a.text(1))
    case .jsonElement, .jsonElementText: part = json.element(a.integer(1))
    case .jsonPath, .jsonPathText:
      guard let path = try path(a) else { return .null }
      part = try json.follow(path)
    default: return nil
    }
    guard let part else { return .null }
    switch function {
    case .jsonFieldText, .jsonElementText, .jsonPathText: return try part.plain().map { .text($0) } ?? .null
    default: return .text(part.text)
    }
  }
  private static func wrap(_ json: JSONValue?) -> Value { json.map { .text($0.text) } ?? .null }
  /// A string without quotes; NULL for JSON's null.
  static func plain(_ json: JSONValue?) -> Value {
    switch json {
    case nil, .null: .null
    case .string(let text): .text(text)
    case .some(let json): .text(json.text)
    }
  }
  /// An element; a jsonb scalar lies as an array of itself, which -> and ->> with a number let see.
  private static func subscripted(_ json: JSONValue, _ index: Int64) -> JSONValue? {
    json.isScalar ? element(.array([json]), index) : element(json, index)
  }
  private static func element(_ json: JSONValue, _ index: Int64) -> JSONValue? {
    // A scalar is an array of itself, as jsonb keeps it.
    if json.isScalar { return index == 0 || index == -1 ? json : nil }
    guard case .array(let items) = json else { return nil }
    let at = index < 0 ? index + Int64(items.count) : index
    return at >= 0 && at < Int64(items.count) ? items[Int(at)] : nil
  }
  /// The steps of a path: an array, or the arguments after the first; nil when one is NULL.
  private static func path(_ a: FunctionArguments) throws(TallyError) -> [String]? {
    let steps = a.types[1].element == nil ? Array(a.values.dropFirst()) : try a.array(1).elements
    var result: [String] = []
    for step in steps {
      guard case .text(let text) = step else { return nil }
      result.append(text)
    }
    return result
  }
  private static func follow(_ json: JSONValue, _ path: [String]) -> JSONValue? {
    var at = json
    for step in path {
      switch at {
      case .object:
        guard let next = at[step] else { return nil }
        at = next
      case .array:
        guard let index = Int64(step), let next = element(at, index) else { return nil }
        at = next
      default: return nil
      }
    }
    return at
  }
  private static func equal(_ a: JSONValue, _ b: JSONValue) -> Bool { JSONValue.compare(a, b) == 0 }
  private static func contains(_ a: JSONValue, _ b: JSONValue, isTop: Bool) -> Bool {
    switch (a, b) {
    case (.object, .object(let wanted)):
      return wanted.allSatisfy { member in a[member.key].map { contains($0, member.value, isTop: false) } ?? false }
    case (.array(let items), .array(let wanted)):
      return wanted.allSatisfy { part in items.contains { contains($0, part, isTop: false) } }
    case (.array(let items), _) where isTop && b.isScalar:
      // An array contains a bare scalar at the top.
      return items.contains { equal($0, b) }
    default: return a.isScalar && b.isScalar && equal(a, b)
    }
  }
  private static func hasKey(_ json: JSONValue, _ key: String) -> Bool {
    switch json {
    case .object: json[key] != nil
    case .array(let items): items.contains { if case .string(let text) = $0 { text.utf8.elementsEqual(key.utf8) } else { false } }
    case .string(let text): text.utf8.elementsEqual(key.utf8)
    default: false
    }
  }

  // MARK: Changing

  private static func concatenated(_ a: JSONValue, _ b: JSONValue) -> JSONValue {
    switch (a, b) {
    case (.object(let x), .object(let y)): .object(unordered: x + y)
    case (.array(let x), .array(let y)): .array(x + y)
    case (.array(let x), _): .array(x + [b])
    case (_, .array(let y)): .array([a] + y)
    default: .array([a, b])
    }
  }
  private static func deleting(_ json: JSONValue, _ keys: [String]) throws(TallyError) -> JSONValue {
    switch json {
    case .object(let members): return .object(members.filter { !keys.contains($0.key) })
    case .array(let items):
      return .array(items.filter { if case .string(let text) = $0 { !keys.contains(text) } else { true } })
    default: throw .sql("22023", "cannot delete from scalar")
    }
  }
  private enum Change {
    case delete
    case set(JSONValue, creates: Bool)
    case insert(JSONValue, isAfter: Bool)
  }
  private static func changed(
    _ json: JSONValue,
    _ path: ArraySlice<String>,
    _ length: Int,
    _ change: Change
  ) throws(TallyError) -> JSONValue {
    guard let step = path.first else { return json }
    let isLast = path.count == 1
    switch json {
    case .object(let members):
      var fresh = members
      let at = members.firstIndex { $0.key.utf8.elementsEqual(step.utf8) }
      if !isLast {
        if let at { fresh[at].value = try changed(members[at].value, path.dropFirst(), length, change) }
        return .object(fresh)
      }
      switch change {
      case .delete: if let at { fresh.remove(at: at) }
      case .set(let value, let creates):
        if let at { fresh[at].value = value } else if creates { return .object(unordered: fresh + [(step, value)]) }
      case .insert(let value, _):
        guard at == nil else {
          throw .sql("22023", "cannot replace existing key", hint: "Try using the function jsonb_set to replace key value.")
        }
        return .object(unordered: fresh + [(step, value)])
      }
      return .object(fresh)
    case .array(let items):
      // Of an empty array nothing can be deleted or replaced.
      switch change {
      case .delete where items.isEmpty: return json
      case .set(_, creates: false) where items.isEmpty: return json
      default: break
      }
      guard let index = Int64(step) else {
        throw .sql("22P02", "path element at position \(length - path.count + 1) is not an integer: \"\(step)\"")
      }
      var fresh = items
      let at = index < 0 ? index + Int64(items.count) : index
      let isInside = at >= 0 && at < Int64(items.count)
      if !isLast {
        if isInside { fresh[Int(at)] = try changed(items[Int(at)], path.dropFirst(), length, change) }
        return .array(fresh)
      }
      switch change {
      case .delete: if isInside { fresh.remove(at: Int(at)) }
      case .set(let value, let creates):
        if isInside { fresh[Int(at)] = value } else if creates { fresh.insert(value, at: at < 0 ? 0 : fresh.count) }
      case .insert(let value, let isAfter):
        let place = isInside ? Int(at) + (isAfter ? 1 : 0) : at < 0 ? 0 : fresh.count
        fresh.insert(value, at: place)
      }
      return .array(fresh)
    default: return json
    }
  }
  private static func set(_ a: FunctionArguments, isInsert: Bool) throws(TallyError) -> Value {
    if a.values.contains(where: \.isNull) { return .null }
    let json = try a.json(0)
    guard let path = try path(FunctionArguments(values: Array(a.values[..<2]), types: Array(a.types[..<2]))) else {
      throw .sql("22004", "path element at position 1 is null")
    }
    if json.isScalar { throw .sql("22023", "cannot set path in scalar") }
    let value = try a.json(2)
    let flag = a.count > 3 ? a.flag(3) : !isInsert
    let change: Change = isInsert ? .insert(value, isAfter: flag) : .set(value, creates: flag)
    return .text(try changed(json, path[...], path.count, change).text)
  }
  private static func strippingNulls(_ json: JSONValue) -> JSONValue {
    switch json {
    case .object(let members):
      .object(
        members.compactMap { member in
          if case .null = member.value { return nil }
          return (member.key, strippingNulls(member.value))
        }
      )
    case .array(let items): .array(items.map(strippingNulls))
    default: json
    }
  }
  private static func pretty(_ json: JSONValue, _ depth: Int, _ out: inout String) throws(TallyError) {
    func line(_ depth: Int) throws(TallyError) {
      guard out.utf8.count <= Limits.textBytesMax else { throw .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes") }
      out += "\n" + String(repeating: " ", count: depth * 4)
    }
    switch json {
    case .object(let members):
      out += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { out += "," }
        try line(depth + 1)
        out += JSONValue.string(member.key).text + ": "
        try pretty(member.value, depth + 1, &out)
      }
      try line(depth)
      out += "}"
    case .array(let items):
      out += "["
      for (index, item) in items.enumerated() {
        if index > 0 { out += "," }
        try line(depth + 1)
        try pretty(item, depth + 1, &out)
      }
      try line(depth)
      out += "]"
    default: out += json.text
    }
  }

  // MARK: Making

  /// A SQL value as JSON: numbers and booleans as such, arrays as arrays, JSON as it is, all else as its text.
  static func json(_ value: Value, _ type: DataType) throws(TallyError) -> JSONValue {
    switch value {
    case .null: return .null
    case .fixed(let number):
      if type == .boolean { return .boolean(number != 0) }
      if type.isInteger { return .number(Numeric(number)) }
    case .double(let number):
      if number.isFinite { return try JSONValue(parsing: ValueText.print(value, as: type) ?? "null") }
    case .numeric(let number): return .number(number)
    case .text(let text): if type == .jsonb || type == .json { return try JSONValue(parsing: text) }
    case .bytes(let bytes):
      if let element = type.element {
        var items: [JSONValue] = []
        for item in try ArrayValue.reading(bytes, element).elements { items.append(try json(item, element)) }
        return .array(items)
      }
    case .interval, .hll, .topn: break
    }
    return .string(isoText(value, type))
  }
  /// Times as JSON has them: with a T.
  private static func isoText(_ value: Value, _ type: DataType) -> String {
    let text = ValueText.print(value, as: type) ?? ""
    guard type == .timestamp || type == .timestamptz, let blank = text.firstIndex(of: " ") else { return text }
    var iso = text[..<blank] + "T" + text[text.index(after: blank)...]
    if type == .timestamptz { iso += ":00" }
    return String(iso)
  }
  /// Texts of values in a `json`: JSON columns as they were written.
  private static func texts(_ values: [Value], _ types: [DataType]) throws(TallyError) -> [String] {
    var result: [String] = []
    for (value, type) in zip(values, types) {
      if case .text(let text) = value, type == .json {
        result.append(text)
      } else if case .bytes(let bytes) = value, let element = type.element {
        let items = try ArrayValue.reading(bytes, element).elements
        result.append("[" + (try texts(items, items.map { _ in element })).joined(separator: ",") + "]")
      } else {
        result.append(try json(value, type).text)
      }
    }
    return result
  }
  private static func buildObject(_ a: FunctionArguments, _ result: DataType) throws(TallyError) -> Value {
    guard a.count % 2 == 0 else {
      throw .sql(
        "22023",
        "argument list must have even number of elements",
        hint:
          "The arguments of \(result == .json ? "json_build_object" : "jsonb_build_object")() must consist of alternating keys and values."
      )
    }
    var members: [(key: String, value: JSONValue)] = []
    var shown: [String] = []
    for at in stride(from: 0, to: a.count, by: 2) {
      if a.types[at].element != nil || a.types[at] == .jsonb || a.types[at] == .json, !a.isNull(at) {
        throw .sql("22023", "key value must be scalar, not array, composite, or json")
      }
      let flag: String? = if case .fixed(let value) = a.values[at], a.types[at] == .boolean { value != 0 ? "true" : "false" } else { nil }
      guard let key = flag ?? ValueText.print(a.values[at], as: a.types[at]) else {
        throw result == .json
          ? .sql("22023", "argument \(at + 1) cannot be null", hint: "Object keys should be text.")
          : .sql("22023", "argument \(at + 1): key must not be null")
      }
      if result == .json {
        shown.append("\(JSONValue.string(key).text) : \(try texts([a.values[at + 1]], [a.types[at + 1]])[0])")
      } else {
        members.append((key, try json(a.values[at + 1], a.types[at + 1])))
      }
    }
    return .text(result == .json ? "{" + shown.joined(separator: ", ") + "}" : JSONValue.object(unordered: members).text)
  }
  private static func objectOfTexts(_ a: FunctionArguments) throws(TallyError) -> Value {
    let keys = try a.array(0).elements
    var members: [(key: String, value: JSONValue)] = []
    func add(_ key: Value, _ value: Value) throws(TallyError) {
      guard case .text(let key) = key else { throw .sql("22004", "null value not allowed for object key") }
      if case .text(let value) = value { members.append((key, .string(value))) } else { members.append((key, .null)) }
    }
    if a.count == 1 {
      guard keys.count % 2 == 0 else { throw .sql("2202E", "array must have even number of elements") }
      for at in stride(from: 0, to: keys.count, by: 2) { try add(keys[at], keys[at + 1]) }
    } else {
      let values = try a.array(1).elements
      guard keys.count == values.count else { throw .sql("2202E", "mismatched array dimensions") }
      for (key, value) in zip(keys, values) { try add(key, value) }
    }
    return .text(JSONValue.object(unordered: members).text)
  }
}

extension JSONValue {
  /// An array or an object without parts.
  var isEmpty: Bool {
    switch self {
    case .array(let items): items.isEmpty
    case .object(let members): members.isEmpty
    default: false
    }
  }
  var isScalar: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }
  /// As jsonb_typeof says.
  var typeName: String {
    switch self {
    case .null: "null"
    case .boolean: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }
}
