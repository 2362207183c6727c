// RowStore.swift — rows that an operator gathers: batches put together into one, every byte accounted for.
import Columns
import Model

/// Rows kept in memory; what they take is given back when the store goes.
final class RowStore {
  private let types: [DataType]
  private let kept: [Int]
  private let context: ExecutionContext
  private var batches: [Batch] = []
  private var held = 0
  /// Rows so far.
  private(set) var count = 0

  /// `needed`: the columns that will be looked at, nil for all.
  init(_ types: [DataType], needed: Set<Int>?, _ context: ExecutionContext) {
    self.types = types
    self.context = context
    kept = types.indices.filter { needed?.contains($0) ?? true }
  }
  deinit { context.release(held) }

  func add(_ batch: Batch) throws {
    try context.cancel.check()
    let own = batch.select(kept)
    count += own.count
    // Rows are numbered by 32 bits; rows without columns take no memory that would end them earlier.
    guard count < Int(UInt32.max) - 1 else { throw TallyError(.overloaded, "more than \(UInt32.max) rows to gather") }
    try hold(own.memoryBytes)
    batches.append(own)
  }
  /// Accounts for more that lives as long as the rows.
  func hold(_ bytes: Int) throws {
    held += bytes
    try context.hold(bytes)
  }
  /// All rows, once; with `extraNull` one more row, of NULLs, lies behind them.
  func finish(extraNull: Bool = false) throws -> StoredRows {
    var parts = batches
    let ownTypes = kept.map { types[$0] }
    if extraNull { parts.append(Batch(count: 1, columns: ownTypes.map { .nulls($0, count: 1) })) }
    let apart = batches.reduce(0) { $0 + $1.memoryBytes }
    // Both copies live for a moment.
    try hold(apart)
    let all = parts.isEmpty ? Batch(emptyOf: ownTypes) : Batch.concatenate(parts, types: ownTypes)
    batches = []
    context.release(2 * apart)
    held -= 2 * apart
    try hold(all.memoryBytes + all.dictionaryBytes)
    var columns = types.map { ColumnVector.nulls($0, count: 0) }
    for (at, column) in kept.enumerated() { columns[column] = all.columns[at] }
    return StoredRows(columns: columns, count: count)
  }
}

/// The rows of a `RowStore`.
struct StoredRows {
  /// By number; those that were not needed have no rows and are not to be read.
  let columns: [ColumnVector]
  /// Rows, without the extra one.
  let count: Int

  /// The rows at the given places; columns that are not needed become NULLs.
  func gather(_ rows: [UInt32], needed: Set<Int>?) -> [ColumnVector] {
    columns.enumerated().map { at, column in
      needed?.contains(at) ?? true ? column.gather(rows) : .nulls(column.type, count: rows.count)
    }
  }
}

extension Batch {
  /// Bytes of the dictionaries, each counted once.
  var dictionaryBytes: Int {
    var seen: Set<ObjectIdentifier> = []
    var bytes = 0
    for column in columns {
      let dictionary: TextDictionary
      switch column.values {
      case .codes(_, let own): dictionary = own
      case .topn(let states): dictionary = states.dictionary
      default: continue
      }
      if seen.insert(ObjectIdentifier(dictionary)).inserted { bytes += dictionary.bytes.count + dictionary.offsets.count * 4 }
    }
    return bytes
  }
}
