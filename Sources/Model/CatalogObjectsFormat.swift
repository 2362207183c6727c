// CatalogObjectsFormat.swift — bytes of views, functions, sequences and jobs; pieces of the catalog's bytes (CatalogFormat.swift).
//
//   View     := u64 id, string schema, string name, varint count, Column…, string sql
//   Function := u64 id, string schema, string name, varint count, (string name, DataType, u8 mode, bool, [string default])…, bool,
//   [DataType result],
//               u8 flags (1 set, 2 procedure, 4 strict), string language, string body, u8 volatility
//   Sequence := u64 id, string schema, string name, DataType, i64 start, i64 increment, i64 least, i64 greatest, u8 flags (1 cycles, 2
//   owned),
//               [u64 table, varint column]
//   Job      := i64 id, string name, string schedule, string command, string user, bool active
public import Bytes

extension CatalogFormat {
  /// Arguments of one function.
  static let argumentsMax = 256
  static let jobTextMax = 1024

  /// Appends a view.
  public static func encode(_ view: ViewRecord, into writer: inout ByteWriter) {
    writer.u64(view.id.rawValue)
    writer.string(view.schemaName)
    writer.string(view.name)
    writer.count(view.columns.count)
    for column in view.columns { encode(column, into: &writer) }
    writer.string(view.sql)
  }
  /// Reads a view.
  public static func decodeView(from reader: inout ByteReader) throws(DecodingFailure) -> ViewRecord {
    ViewRecord(
      id: TableID(try reader.u64()),
      schemaName: try reader.string(max: Limits.nameBytesMax),
      name: try reader.string(max: Limits.nameBytesMax),
      columns: try list(&reader, Limits.columnsMax, "columns", decodeColumn),
      sql: try reader.string(max: Limits.sqlBytesMax)
    )
  }
  /// Appends a function.
  public static func encode(_ function: FunctionRecord, into writer: inout ByteWriter) {
    writer.u64(function.id.rawValue)
    writer.string(function.schemaName)
    writer.string(function.name)
    writer.count(function.arguments.count)
    for argument in function.arguments {
      writer.string(argument.name)
      ValueFormat.encode(argument.type, into: &writer)
      writer.u8(argument.mode.rawValue)
      writer.bool(argument.defaultSQL != nil)
      if let sql = argument.defaultSQL { writer.string(sql) }
    }
    writer.bool(function.result != nil)
    if let type = function.result { ValueFormat.encode(type, into: &writer) }
    writer.u8((function.returnsSet ? 1 : 0) | (function.isProcedure ? 2 : 0) | (function.isStrict ? 4 : 0))
    writer.string(function.language)
    writer.string(function.body)
    writer.u8(function.volatility.rawValue)
  }
  /// Reads a function.
  public static func decodeFunction(from reader: inout ByteReader) throws(DecodingFailure) -> FunctionRecord {
    let id = TableID(try reader.u64())
    let schema = try reader.string(max: Limits.nameBytesMax)
    let name = try reader.string(max: Limits.nameBytesMax)
    let arguments = try list(&reader, argumentsMax, "arguments") { reader throws(DecodingFailure) in
      let (name, type) = (try reader.string(max: Limits.nameBytesMax), try ValueFormat.decodeType(from: &reader))
      guard let mode = FunctionRecord.Mode(rawValue: try reader.u8()) else {
        throw DecodingFailure(.unknown, at: reader.position - 1, "mode of an argument")
      }
      let text = try reader.bool() ? try reader.string(max: Limits.sqlBytesMax) : nil
      return FunctionRecord.Argument(name: name, type: type, mode: mode, defaultSQL: text)
    }
    let result = try reader.bool() ? try ValueFormat.decodeType(from: &reader) : nil
    let flags = try decodeFlags(&reader, below: 8)
    let (language, body) = (try reader.string(max: Limits.nameBytesMax), try reader.string(max: Limits.sqlBytesMax))
    guard let volatility = FunctionRecord.Volatility(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "volatility of a function")
    }
    return FunctionRecord(
      id: id,
      schemaName: schema,
      name: name,
      arguments: arguments,
      result: result,
      returnsSet: flags & 1 != 0,
      isProcedure: flags & 2 != 0,
      language: language,
      body: body,
      volatility: volatility,
      isStrict: flags & 4 != 0
    )
  }
  /// Appends a sequence.
  public static func encode(_ sequence: SequenceRecord, into writer: inout ByteWriter) {
    writer.u64(sequence.id.rawValue)
    writer.string(sequence.schemaName)
    writer.string(sequence.name)
    ValueFormat.encode(sequence.type, into: &writer)
    for number in [sequence.start, sequence.increment, sequence.least, sequence.greatest] { writer.i64(number) }
    writer.u8((sequence.isCycling ? 1 : 0) | (sequence.owner == nil ? 0 : 2))
    if let owner = sequence.owner {
      writer.u64(owner.table.rawValue)
      writer.count(owner.column)
    }
  }
  /// Reads a sequence.
  public static func decodeSequence(from reader: inout ByteReader) throws(DecodingFailure) -> SequenceRecord {
    var sequence = SequenceRecord(
      id: TableID(try reader.u64()),
      schemaName: try reader.string(max: Limits.nameBytesMax),
      name: try reader.string(max: Limits.nameBytesMax),
      type: try ValueFormat.decodeType(from: &reader),
      start: try reader.i64(),
      increment: try reader.i64(),
      least: try reader.i64(),
      greatest: try reader.i64()
    )
    let flags = try decodeFlags(&reader, below: 4)
    sequence.isCycling = flags & 1 != 0
    if flags & 2 != 0 { sequence.owner = (TableID(try reader.u64()), try reader.count(max: Limits.columnsMax, "column number")) }
    guard sequence.increment != 0, sequence.least <= sequence.greatest else {
      throw DecodingFailure(.malformed, at: reader.position, "numbers of sequence \(sequence.id)")
    }
    return sequence
  }
  /// Appends a job.
  public static func encode(_ job: JobRecord, into writer: inout ByteWriter) {
    writer.i64(job.id)
    writer.string(job.name)
    writer.string(job.schedule)
    writer.string(job.command)
    writer.string(job.user)
    writer.bool(job.isActive)
  }
  /// Reads a job.
  public static func decodeJob(from reader: inout ByteReader) throws(DecodingFailure) -> JobRecord {
    JobRecord(
      id: try reader.i64(),
      name: try reader.string(max: jobTextMax),
      schedule: try reader.string(max: jobTextMax),
      command: try reader.string(max: Limits.sqlBytesMax),
      user: try reader.string(max: jobTextMax),
      isActive: try reader.bool()
    )
  }
}
