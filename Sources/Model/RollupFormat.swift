// RollupFormat.swift — bytes of a rollup's definition; the layout stands with the rest of the catalog's in CatalogFormat.swift.
public import Bytes

extension CatalogFormat {
  /// Appends a bucket width.
  public static func encode(_ width: BucketWidth, into writer: inout ByteWriter) {
    switch width {
    case .microseconds(let fixed):
      writer.u8(1)
      writer.i64(fixed)
    case .months(let months):
      writer.u8(2)
      writer.integer(months)
    }
  }
  /// Reads a bucket width; one that is not positive is malformed.
  public static func decodeWidth(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> BucketWidth {
    let start = reader.position
    switch try reader.u8() {
    case 1:
      let fixed = try reader.i64()
      if fixed > 0 { return .microseconds(fixed) }
    case 2:
      let months = try reader.integer(Int32.self)
      if months > 0 { return .months(months) }
    case let tag: throw DecodingFailure(.unknown, at: start, "bucket width \(tag)")
    }
    throw DecodingFailure(.malformed, at: start, "bucket width is not positive")
  }
  /// Appends a level.
  public static func encode(_ level: RollupLevel, into writer: inout ByteWriter) {
    encode(level.width, into: &writer)
    writer.string(level.suffix)
    writer.bool(level.keep != nil)
    if let keep = level.keep { ValueFormat.encode(keep, into: &writer) }
  }
  /// Reads a level.
  public static func decodeLevel(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> RollupLevel {
    let width = try decodeWidth(from: &reader)
    let suffix = try reader.string(max: Limits.nameBytesMax)
    return RollupLevel(
      width: width,
      suffix: suffix,
      keep: try reader.bool() ? try ValueFormat.decodeInterval(from: &reader) : nil
    )
  }
  /// Appends a measure.
  public static func encode(_ measure: RollupMeasure, into writer: inout ByteWriter) {
    writer.string(measure.name)
    writer.u8(measure.kind.rawValue)
    ValueFormat.encode(measure.type, into: &writer)
  }
  /// Reads a measure.
  public static func decodeMeasure(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> RollupMeasure {
    let name = try reader.string(max: Limits.nameBytesMax)
    let start = reader.position
    let raw = try reader.u8()
    guard let kind = MeasureKind(rawValue: raw) else {
      throw DecodingFailure(.unknown, at: start, "measure kind \(raw)")
    }
    return RollupMeasure(name: name, kind: kind, type: try ValueFormat.decodeType(from: &reader))
  }
  /// Appends a rollup.
  public static func encode(_ rollup: RollupDefinition, into writer: inout ByteWriter) {
    writer.u64(rollup.id.rawValue)
    writer.string(rollup.schemaName)
    writer.string(rollup.name)
    writer.u64(rollup.source.rawValue)
    writer.count(rollup.keys.count)
    for key in rollup.keys { encode(key, into: &writer) }
    writer.count(rollup.measures.count)
    for measure in rollup.measures { encode(measure, into: &writer) }
    writer.count(rollup.levels.count)
    for level in rollup.levels { encode(level, into: &writer) }
    writer.string(rollup.timeZone)
    writer.string(rollup.sql)
    writer.prefixedBytes(rollup.program)
    writer.count(rollup.outputOrder.count)
    for column in rollup.outputOrder { writer.count(column) }
  }
  /// Reads a rollup.
  public static func decodeRollup(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> RollupDefinition {
    let id = TableID(try reader.u64())
    let schema = try reader.string(max: Limits.nameBytesMax)
    let name = try reader.string(max: Limits.nameBytesMax)
    let source = TableID(try reader.u64())
    let keys = try list(&reader, Limits.columnsMax, "keys", decodeColumn)
    let measures = try list(&reader, Limits.columnsMax, "measures", decodeMeasure)
    let levels = try list(&reader, Limits.levelsMax, "levels", decodeLevel)
    let zone = try reader.string(max: 256)
    let sql = try reader.string(max: Limits.sqlBytesMax)
    let program = try reader.prefixedBytes(max: programBytesMax)
    let columns = keys.count + measures.count
    let order = try list(&reader, columns, "output columns") { r throws(DecodingFailure) in
      try decodeIndex(&r, of: columns)
    }
    return RollupDefinition(
      id: id,
      schemaName: schema,
      name: name,
      source: source,
      keys: keys,
      measures: measures,
      levels: levels,
      timeZone: zone,
      sql: sql,
      program: program,
      outputOrder: order
    )
  }
}
