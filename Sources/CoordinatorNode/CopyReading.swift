// CopyReading.swift — COPY's data from first byte to rows without a cluster: cut as it comes, read piece by piece. For fuzzing.
package import Columns
package import Model
package import Planning

/// Reads COPY's data.
package enum CopyReading {
  /// Takes the data in chunks of so many bytes and reads the pieces; returns the rows before the first fault. Throws when the data cannot
  /// be cut.
  package static func rows(
    _ data: [UInt8],
    chunkBytes: Int,
    _ plan: CopyInPlan,
    _ snapshot: CatalogSnapshot,
    _ values: any ExternalValues
  ) throws -> Int {
    let parser = try CopyParser(plan, snapshot, values)
    var cutter = CopyCutter(plan.options, fields: plan.columns.count, pieceBytes: 256)
    var rows = 0
    func read(_ piece: CopyPiece) throws -> Bool {
      let parsed = try parser.parse(piece)
      rows += parsed.rows
      return parsed.fault == nil && !parsed.isEnd
    }
    for start in stride(from: 0, to: data.count, by: chunkBytes) {
      cutter.append(Array(data[start..<min(data.count, start + chunkBytes)]))
      while let piece = try cutter.next(isEnd: false) {
        guard try read(piece) else { return rows }
      }
    }
    while let piece = try cutter.next(isEnd: true) {
      guard try read(piece) else { return rows }
    }
    return rows
  }
}
