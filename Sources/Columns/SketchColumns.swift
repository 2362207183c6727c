// SketchColumns.swift — HyperLogLog and TopN states of many rows, exploded into flat arrays.
//
// What the states mean, how they are added to, merged and packed: module Aggregates. Here: only how they lie.
public import Model

/// How one HLL state lies in `HLLColumn.words`.
public enum HLLForm: UInt8, Sendable, CaseIterable {
  /// Absorbs everything; its cardinality is NULL. No words.
  case undefined = 0
  /// The empty set. No words.
  case empty = 1
  /// A set of hashes, rising as signed 64-bit numbers: two words each, low half first.
  case explicit = 2
  /// Non-zero registers, one word each, rising: register index · 256 + value.
  case sparse = 3
  /// All registers, one byte each, four to a word, lowest index in the lowest byte.
  case full = 4
}

/// Many HLL states with the same parameters.
///
/// Canonical: registers lie `sparse` while 4 · filled < m, else `full`. Packed bytes choose their form by themselves.
public struct HLLColumn: Equatable, Sendable {
  /// Parameters of every state.
  public var parameters: HLLParameters
  /// One `HLLForm` a row; NULL rows are `empty`.
  public var forms: [UInt8]
  /// Words of row i are `offsets[i] ..< offsets[i + 1]`.
  public var offsets: [UInt32]
  /// See `HLLForm`.
  public var words: [UInt32]
  /// No rows.
  public init(parameters: HLLParameters) {
    self.init(parameters: parameters, forms: [], offsets: [0], words: [])
  }
  /// Takes over arrays.
  public init(parameters: HLLParameters, forms: [UInt8], offsets: [UInt32], words: [UInt32]) {
    self.parameters = parameters
    self.forms = forms
    self.offsets = offsets
    self.words = words
  }
  /// Number of states.
  public var count: Int { forms.count }
}

/// Many TopN states with the same parameters over one dictionary.
///
/// Canonical: within a row codes rise; the dictionary's texts rise by (MurmurHash3 first half, bytes), so rows of two columns merge in
/// one pass after their dictionaries were merged. `upper` is an upper bound of an item's weight, `upper - error` a lower one;
/// `absent` bounds every item not listed; `total` is the weight of all.
public struct TopNColumn: Sendable {
  /// Parameters of every state.
  public var parameters: TopNParameters
  /// Items of row i are `offsets[i] ..< offsets[i + 1]` of `codes`, `uppers`, `errors`.
  public var offsets: [UInt32]
  /// Dictionary codes of the items.
  public var codes: [UInt32]
  /// Upper bounds.
  public var uppers: [Int64]
  /// Upper bound minus lower bound.
  public var errors: [Int64]
  /// Per row: bound of any absent item.
  public var absent: [Int64]
  /// Per row: weight of all items, listed or not.
  public var totals: [Int64]
  /// The items' texts.
  public var dictionary: TextDictionary
  /// No rows.
  public init(parameters: TopNParameters) {
    self.init(
      parameters: parameters,
      offsets: [0],
      codes: [],
      uppers: [],
      errors: [],
      absent: [],
      totals: [],
      dictionary: .empty
    )
  }
  /// Takes over arrays.
  public init(
    parameters: TopNParameters,
    offsets: [UInt32],
    codes: [UInt32],
    uppers: [Int64],
    errors: [Int64],
    absent: [Int64],
    totals: [Int64],
    dictionary: TextDictionary
  ) {
    self.parameters = parameters
    self.offsets = offsets
    self.codes = codes
    self.uppers = uppers
    self.errors = errors
    self.absent = absent
    self.totals = totals
    self.dictionary = dictionary
  }
  /// Number of states.
  public var count: Int { absent.count }
}
