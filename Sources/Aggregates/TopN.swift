// TopN.swift — one TopN state outside columns: the heaviest items of a stream with bounds that hold.
//
// An item has an upper bound of its weight and an error, so that upper - error is a lower bound. `absent` (U) bounds every item
// that is not listed, `total` (n) is the weight of all. Adding an item that is not listed makes it (U + w, U); in a union a side
// that lacks an item counts as (U, U) of that side, and U adds up. Only `prune` drops items: the largest `limit` by upper stay,
// ties by bytes, and U becomes at least the largest upper dropped; so U ≤ n / limit whatever the order of unions. Columns of
// states go through TopNGathering, which obeys the same rules. Bytes: TopNFormat. Text: TopNText.
import Bytes
public import Columns
public import Model

/// One TopN state.
public struct TopN: Equatable, Sendable {
  /// A listed item.
  public struct Item: Equatable, Sendable {
    /// UTF-8.
    public var key: [UInt8]
    /// Upper bound of its weight.
    public var upper: Int64
    /// Upper minus lower bound.
    public var error: Int64
    /// Lower bound of its weight.
    public var lower: Int64 { upper - error }
    /// Makes an item.
    public init(key: [UInt8], upper: Int64, error: Int64 = 0) {
      self.key = key
      self.upper = upper
      self.error = error
      hash = Murmur3.hash(key).high
    }
    /// What items are ordered by before their bytes.
    let hash: UInt64
    static func precedes(_ a: Item, _ b: Item) -> Bool {
      a.hash != b.hash ? a.hash < b.hash : a.key.lexicographicallyPrecedes(b.key)
    }
  }
  /// Part of the identity: only states with equal parameters unite.
  public let parameters: TopNParameters
  /// Rising by (MurmurHash3 first half, bytes), without duplicates.
  public private(set) var items: [Item]
  /// Upper bound of any absent item.
  public private(set) var absent: Int64
  /// Weight of all items.
  public private(set) var total: Int64

  /// No items.
  public init(_ parameters: TopNParameters = TopNParameters()) {
    self.init(parameters, items: [], absent: 0, total: 0)
  }
  /// Takes over parts that obey the rules; items may be in any order.
  public init(_ parameters: TopNParameters, items: [Item], absent: Int64, total: Int64) {
    self.parameters = parameters
    self.items = items.sorted(by: Item.precedes)
    self.absent = absent
    self.total = total
  }

  /// Adds a weight to an item, whose key is cut to the longest allowed; negative weights change nothing.
  public mutating func add(_ key: [UInt8], weight: Int64 = 1) {
    guard weight >= 0 else { return }
    let length = key.withUnsafeBytes { Self.cutLength($0, to: Int(parameters.keyBytesMax)) }
    let item = Item(key: Array(key[..<length]), upper: saturatingSum(absent, weight), error: absent)
    total = saturatingSum(total, weight)
    let at = items.firstIndex { !Item.precedes($0, item) } ?? items.count
    if at < items.count && items[at].key == item.key {
      items[at].upper = saturatingSum(items[at].upper, weight)
    } else {
      items.insert(item, at: at)
    }
  }
  /// Adds a weight to an item given as text.
  public mutating func add(_ text: String, weight: Int64 = 1) {
    add(Array(text.utf8), weight: weight)
  }
  /// Adds another state; throws when the parameters differ.
  public mutating func union(_ other: TopN) throws(TallyError) {
    guard other.parameters == parameters else { throw Self.mismatch(other.parameters, parameters) }
    var out: [Item] = []
    out.reserveCapacity(items.count + other.items.count)
    var (i, j) = (0, 0)
    while i < items.count || j < other.items.count {
      let takesOurs =
        j == other.items.count || (i < items.count && !Item.precedes(other.items[j], items[i]))
      let takesTheirs =
        i == items.count || (j < other.items.count && !Item.precedes(items[i], other.items[j]))
      var item = takesOurs ? items[i] : other.items[j]
      let (a, b) = (takesOurs ? items[i] : nil, takesTheirs ? other.items[j] : nil)
      item.upper = saturatingSum(a?.upper ?? absent, b?.upper ?? other.absent)
      item.error = saturatingSum(a?.error ?? absent, b?.error ?? other.absent)
      out.append(item)
      if takesOurs { i += 1 }
      if takesTheirs { j += 1 }
    }
    items = out
    absent = saturatingSum(absent, other.absent)
    total = saturatingSum(total, other.total)
  }
  /// Keeps at most `limit` items.
  public mutating func prune(to limit: Int) {
    guard items.count > limit else { return }
    let ranked = items.sorted {
      $0.upper != $1.upper ? $0.upper > $1.upper : $0.key.lexicographicallyPrecedes($1.key)
    }
    if limit < ranked.count { absent = max(absent, ranked[limit].upper) }
    items = ranked.prefix(limit).sorted(by: Item.precedes)
  }
  /// The items by lower bound, highest first, ties by bytes; `topn(state, n)` returns the first n of them.
  public func ranked() -> [Item] {
    items.sorted {
      $0.lower != $1.lower ? $0.lower > $1.lower : $0.key.lexicographicallyPrecedes($1.key)
    }
  }
  /// What `topn(state, n)` lists; an error when n is larger than the counters.
  public func top(_ n: Int64) throws(TallyError) -> [Item] {
    guard n <= Int64(parameters.counters) else {
      throw .sql(
        "22023",
        "desired number of counters is higher than the topn.number_of_counters variable"
      )
    }
    return Array(ranked().prefix(Int(max(0, n))))
  }

  /// How many bytes of a text a key of at most `limit` bytes keeps: whole characters.
  static func cutLength(_ text: UnsafeRawBufferPointer, to limit: Int) -> Int {
    if text.count <= limit { return text.count }
    var length = limit
    while length > 0 && text[length] & 0xc0 == 0x80 { length -= 1 }
    return length
  }
  static func mismatch(_ source: TopNParameters, _ destination: TopNParameters) -> TallyError {
    .sql(
      "22000",
      "topn parameters do not match",
      detail: "Source uses \(source.counters) counters and keys of \(source.keyBytesMax) bytes, "
        + "dest uses \(destination.counters) and \(destination.keyBytesMax)."
    )
  }
}

extension TopN {
  /// `topn_add(state, item, weight)`, which is not strict.
  ///
  /// NULL and NULL give the empty state, a NULL item leaves the state as it is.
  ///
  /// As in the reference a state over its counters is pruned after a new item came in.
  public static func add(
    _ state: TopN?,
    _ item: String?,
    weight: Int64? = 1,
    parameters: TopNParameters = TopNParameters()
  ) -> TopN {
    var result = state ?? TopN(parameters)
    guard let item, let weight else { return result }
    result.add(item, weight: weight)
    result.prune(to: Int(result.parameters.counters))
    return result
  }
  /// `topn_union(a, b)`: strict; the result is pruned to its counters.
  public static func union(_ a: TopN?, _ b: TopN?) throws(TallyError) -> TopN? {
    guard var result = a, let b else { return nil }
    try result.union(b)
    result.prune(to: Int(result.parameters.counters))
    return result
  }
}

extension TopNColumn {
  /// The state of one row, taken out.
  public func state(_ row: Int) -> TopN {
    let items = (Int(offsets[row])..<Int(offsets[row + 1])).map { at in
      TopN.Item(
        key: dictionary.withText(codes[at]) { Array($0) },
        upper: uppers[at],
        error: errors[at]
      )
    }
    return TopN(parameters, items: items, absent: absent[row], total: totals[row])
  }
}

extension ColumnVector {
  /// A column of TopN states with equal parameters; nil is NULL.
  public init(topn states: [TopN?], _ parameters: TopNParameters) {
    var interner = TextInterner(expected: 64)
    var codes: [UInt32] = []
    for state in states {
      for item in state?.items ?? [] {
        codes.append(item.key.withUnsafeBytes { interner.intern($0) })
      }
    }
    let (dictionary, remap) = interner.dictionary().canonical()
    var out = TopNColumnBuilder(parameters, dictionary, expected: states.count)
    var at = 0
    for state in states {
      // Items of a state and codes of the dictionary have the same order.
      for item in state?.items ?? [] {
        out.reserve(1)
        out.append(code: remap[Int(codes[at])], upper: item.upper, error: item.error)
        at += 1
      }
      out.end(absent: state?.absent ?? 0, total: state?.total ?? 0, limit: .max)
    }
    self = out.finish()
    validity = Bitmap(flags: states.map { $0 != nil })
  }
}

extension Bitmap {
  /// Validity of flags; nil when all are set.
  fileprivate init?(flags: [Bool]) {
    if flags.allSatisfy({ $0 }) { return nil }
    self.init(repeating: true, count: flags.count)
    for (row, flag) in flags.enumerated() where !flag { self[row] = false }
  }
}
