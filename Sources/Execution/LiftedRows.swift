// LiftedRows.swift — functions that give rows of one array, JSON document or text (RowFunctions), over the rows of a block.
//
// Values become columns a few thousand at a time, so that memory is held as it grows.
import Columns
import Model
import Planning

enum LiftedRows {
  private static let pieceRows = 4096

  /// The rows of each of `count` rows of arguments; a NULL among the arguments gives none.
  static func rows(
    _ call: TableFunctionNode.Call,
    _ operands: [Operand],
    count: Int,
    _ context: ExecutionContext
  ) throws -> FlatRows {
    let types = operands.map(\.type)
    var memory = FunctionMemory()
    var pieces = Pieces(types: call.output.map(\.type), context)
    defer { pieces.release() }
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(count + 1)
    for row in 0..<count {
      if operands.allSatisfy({ $0.validity(at: row) }) {
        let values = try operands.map { try $0.column.value(row & $0.mask) }
        try RowFunctions.append(call.function, values, types, to: &pieces.pending, &memory)
      }
      // One more is the row of NULLs that series fill up with.
      guard let end = UInt32(exactly: pieces.count), end < .max else { throw TallyError(.overloaded, "rows of a block over 4 Gi") }
      offsets.append(end)
      if pieces.pending[0].count >= pieceRows { try pieces.settle() }
    }
    try pieces.settle()
    return FlatRows(offsets: offsets, columns: pieces.columns())
  }

  /// Columns as they grow.
  private struct Pieces {
    let types: [DataType]
    let context: ExecutionContext
    /// Values that are in no piece yet, by column.
    var pending: [[Value]]
    private var done: [[ColumnVector]]
    private var doneCount = 0
    private var held = 0

    init(types: [DataType], _ context: ExecutionContext) {
      self.types = types
      self.context = context
      pending = types.map { _ in [] }
      done = types.map { _ in [] }
    }
    /// Rows so far.
    var count: Int { doneCount + pending[0].count }
    mutating func settle() throws {
      if pending[0].isEmpty { return }
      try context.cancel.check()
      var bytes = 0
      for at in types.indices {
        let piece = ColumnVector(types[at], values: pending[at])
        bytes += piece.memoryBytes
        done[at].append(piece)
      }
      doneCount += pending[0].count
      for at in types.indices { pending[at].removeAll(keepingCapacity: true) }
      guard held + bytes <= Int(UInt32.max) else { throw TallyError(.overloaded, "rows of a block over 4 GiB") }
      try context.hold(bytes)
      held += bytes
    }
    func columns() -> [ColumnVector] {
      types.indices.map { at in
        done[at].isEmpty ? ColumnVector(types[at], values: []) : .concatenate(done[at], type: types[at])
      }
    }
    func release() { context.release(held) }
  }
}
