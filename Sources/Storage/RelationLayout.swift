// RelationLayout.swift — what storage must know of a relation: its columns, how its rows are sorted and sliced.
//
// A relation of a shard is a raw table, or one level of a rollup (rows are mergeable states, keys first). Raw rows are sorted
// by (day slice, tenant, time, first key), ties in log order; states by all their keys, which are unique within a run.
import Bytes
import Columns
public import Model

/// A UTC day of a relation's time column; files are cut at its borders so that expiry is an unlink.
@frozen public struct DaySlice: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Days since 1970-01-01.
  public var day: Int32
  /// Wraps a day number.
  @inlinable public init(day: Int32) { self.day = day }
  /// Rows without a day: no time column, NULL, an infinite time, or states (which are not sliced).
  public static let unsliced = DaySlice(day: .max)
  /// Earlier days are less, `unsliced` is last.
  @inlinable public static func < (a: DaySlice, b: DaySlice) -> Bool { a.day < b.day }
  /// The day number, or `unsliced`.
  public var description: String { self == .unsliced ? "unsliced" : "day \(day)" }
  /// Microseconds of a day.
  static let dayMicroseconds: Int64 = 86_400_000_000
  /// The slice of a time value of type date, timestamp or timestamptz.
  public init(time: Int64, type: DataType) {
    if time == TimeLimits.infinity || time == TimeLimits.minusInfinity {
      self = .unsliced
      return
    }
    var days = time
    if type != .date {
      days = time / Self.dayMicroseconds
      if time % Self.dayMicroseconds < 0 { days -= 1 }
    }
    day = Int32(clamping: min(max(days, Int64(Int32.min)), Int64(Int32.max - 1)))
  }
}

/// A relation as a shard stores it.
public struct RelationLayout: Equatable, Sendable {
  /// Raw table, or `RollupDefinition.levelTable(i)`.
  public var id: TableID
  /// Columns in stored order.
  public var columns: [Column]
  /// Columns to sort by: tenant then time of a raw table, all keys of states.
  public var sortKey: [Int]
  /// Raw: the column that slices by day. States: the bucket.
  public var timeColumn: Int?
  /// True for a rollup level: the first `keyCount` columns are keys, the rest are `measures`.
  public var isState: Bool
  /// Number of key columns of states; 0 for raw tables.
  public var keyCount: Int
  /// Measures of states.
  public var measures: [RollupMeasure]
  /// Width of the buckets of a level.
  public var bucketWidth: BucketWidth?

  /// Makes a layout from its parts.
  public init(
    id: TableID,
    columns: [Column],
    sortKey: [Int],
    timeColumn: Int?,
    isState: Bool = false,
    keyCount: Int = 0,
    measures: [RollupMeasure] = [],
    bucketWidth: BucketWidth? = nil
  ) {
    invariant(sortKey.allSatisfy { columns.indices.contains($0) }, "sort key \(sortKey) outside the columns")
    self.id = id
    self.columns = columns
    self.sortKey = sortKey
    self.timeColumn = timeColumn
    self.isState = isState
    self.keyCount = keyCount
    self.measures = measures
    self.bucketWidth = bucketWidth
  }
  /// The layout of a raw table.
  public init(table: TableSchema) {
    var key: [Int] = []
    if case .distributed(let tenant, _) = table.distribution { key.append(tenant) }
    if let time = table.timeColumn, !key.contains(time) { key.append(time) }
    // A key's rows are found by zones.
    for column in table.keys.first?.columns ?? [] where !key.contains(column) { key.append(column) }
    self.init(id: table.id, columns: table.columns, sortKey: key, timeColumn: table.timeColumn)
  }
  /// The layout of one level of a rollup.
  public init(rollup: RollupDefinition, level: Int) {
    self.init(
      id: rollup.levelTable(level),
      columns: rollup.storedColumns,
      sortKey: Array(rollup.keys.indices),
      timeColumn: rollup.keys.count > 1 ? 1 : nil,
      isState: true,
      keyCount: rollup.keys.count,
      measures: rollup.measures,
      bucketWidth: rollup.levels[level].width
    )
  }
  /// Types of the columns.
  public var types: [DataType] { columns.map(\.type) }
  /// True when rows are cut into files by day.
  public var isSliced: Bool { !isState && timeColumn != nil }
}

// MARK: Columns that came later

extension RelationLayout {
  /// What a column is in rows that were stored before it was added.
  func absent(_ column: Int, count: Int) -> ColumnVector {
    let own = columns[column]
    guard let text = own.missing else { return .nulls(own.type, count: count) }
    do throws(TallyError) {
      let value = ColumnVector(own.type, values: [try ValueText.parse(text, as: own.type)])
      return value.gather([UInt32](repeating: 0, count: count))
    } catch { fatalError("column \(own.name) of relation \(id) is missing as \(text): \(error)") }
  }
  /// A stored column as the relation has it now: its type may have become a wider one of the same layout.
  func typed(_ vector: ColumnVector, _ column: Int) -> ColumnVector {
    let type = columns[column].type
    if vector.type == type || vector.type.layout != type.layout { return vector }
    return ColumnVector(type, vector.values, validity: vector.validity)
  }
  /// The wanted columns of a section's block.
  func read(_ section: SegmentSection, _ block: Int, columns wanted: [Int]) throws(DecodingFailure) -> Batch {
    let count = section.rows(ofBlock: block).count
    var vectors: [ColumnVector] = []
    vectors.reserveCapacity(wanted.count)
    for column in wanted {
      vectors.append(
        column < section.types.count ? typed(try section.readBlock(block, columns: [column])[0], column) : absent(column, count: count)
      )
    }
    return Batch(count: count, columns: vectors)
  }
  /// Bounds of a column within a section's block.
  func zone(_ section: SegmentSection, _ block: Int, _ column: Int) -> Zone {
    let isMissing = column >= section.types.count && column < columns.count && columns[column].missing != nil
    return isMissing ? Zone(hasNulls: false, bounds: .unknown) : section.zone(block: block, column: column)
  }
}
