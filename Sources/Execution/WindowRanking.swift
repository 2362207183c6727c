// WindowRanking.swift — window functions that tell a row's place or another row's value.
import Columns
import Model
import Planning

enum WindowRanking {
  /// row_number, rank, dense_rank, percent_rank, cume_dist.
  static func places(_ function: WindowFunction, _ layout: WindowLayout) -> ColumnVector {
    var whole = [Int64](repeating: 0, count: layout.count)
    var parts: [Double] = []
    switch function {
    case .percentRank, .cumeDist: parts = [Double](repeating: 0, count: layout.count)
    default: break
    }
    layout.forEachPartition { partition in
      let size = Double(partition.count)
      let firstGroup = layout.groupOf[partition.lowerBound]
      for row in partition {
        switch function {
        case .rowNumber: whole[row] = Int64(row - partition.lowerBound + 1)
        case .rank: whole[row] = Int64(layout.firstPeer(row) - partition.lowerBound + 1)
        case .denseRank: whole[row] = Int64(layout.groupOf[row] - firstGroup + 1)
        case .percentRank:
          if partition.count > 1 { parts[row] = Double(layout.firstPeer(row) - partition.lowerBound) / (size - 1) }
        default: parts[row] = Double(layout.endOfPeers(row) - partition.lowerBound) / size
        }
      }
    }
    return parts.isEmpty ? ColumnVector(.bigint, .fixed(whole)) : ColumnVector(.double, .double(parts))
  }

  /// ntile: the number of parts is taken from the first row of a partition that has one; rows before get NULL.
  static func tiles(_ argument: ColumnVector, _ layout: WindowLayout) throws -> ColumnVector {
    guard case .fixed(let wanted) = argument.values else { fatalError("ntile of a \(argument.type.name)") }
    var tiles = [Int64](repeating: 0, count: layout.count)
    var validity = Bitmap(repeating: true, count: layout.count)
    try layout.forEachPartition { partition in
      var tile: Int64 = 0
      var (size, rest, inTile) = (Int64(0), Int64(0), Int64(0))
      for row in partition {
        if tile == 0 {
          if argument.isNull(row) {
            validity[row] = false
            continue
          }
          guard wanted[row] > 0 else { throw TallyError.sql("22014", "argument of ntile must be greater than zero") }
          tile = 1
          size = Int64(partition.count) / wanted[row]
          if size == 0 {
            size = 1
          } else {
            rest = Int64(partition.count) % wanted[row]
            // The first tiles have one row more.
            if rest != 0 { size += 1 }
          }
        }
        inTile += 1
        if size < inTile {
          if rest != 0 && tile == rest {
            rest = 0
            size -= 1
          }
          tile += 1
          inTile = 1
        }
        tiles[row] = tile
      }
    }
    return ColumnVector(.integer, .fixed(tiles), validity: validity)
  }

  /// lag and lead: the value so many rows before or after, else the default; NULL for a NULL offset.
  static func shifted(
    _ values: ColumnVector,
    _ offsets: ColumnVector,
    _ defaults: ColumnVector,
    by direction: Int64,
    _ layout: WindowLayout
  ) -> ColumnVector {
    guard case .fixed(let distance) = offsets.values else { fatalError("an offset of type \(offsets.type.name)") }
    var places = [UInt32](repeating: 0, count: layout.count)
    let count = layout.count
    layout.forEachPartition { partition in
      for row in partition {
        let target = Int64(row) &+ direction &* distance[row]
        if offsets.isNull(row) {
          places[row] = UInt32(2 * count)
        } else if target >= Int64(partition.lowerBound) && target < Int64(partition.upperBound) {
          places[row] = UInt32(target)
        } else {
          places[row] = UInt32(count + row)
        }
      }
    }
    let null = ColumnVector.nulls(values.type, count: 1)
    return ColumnVector.concatenate([values, defaults.retyped(values.type), null], type: values.type).gather(places)
  }

  /// first_value and last_value.
  static func edge(_ values: ColumnVector, isLast: Bool, _ layout: WindowLayout, _ bounds: WindowBounds) -> ColumnVector {
    picked(values, layout) { row in
      var found: Int?
      bounds.forEachRange(row, layout) { range in
        if isLast { found = range.upperBound - 1 } else if found == nil { found = range.lowerBound }
      }
      return found
    }
  }
  /// nth_value.
  static func nth(_ values: ColumnVector, _ numbers: ColumnVector, _ layout: WindowLayout, _ bounds: WindowBounds) throws -> ColumnVector {
    guard case .fixed(let wanted) = numbers.values else { fatalError("nth_value of a \(numbers.type.name)") }
    for row in 0..<layout.count where !numbers.isNull(row) && wanted[row] <= 0 {
      throw TallyError.sql("22016", "argument of nth_value must be greater than zero")
    }
    return picked(values, layout) { row in
      if numbers.isNull(row) { return nil }
      var left = Int(clamping: wanted[row]) - 1
      var found: Int?
      bounds.forEachRange(row, layout) { range in
        if found == nil && left < range.count { found = range.lowerBound + left }
        left -= range.count
      }
      return found
    }
  }
  private static func picked(_ values: ColumnVector, _ layout: WindowLayout, _ place: (Int) -> Int?) -> ColumnVector {
    let null = UInt32(layout.count)
    let places = (0..<layout.count).map { place($0).map { UInt32($0) } ?? null }
    return ColumnVector.concatenate([values, .nulls(values.type, count: 1)], type: values.type).gather(places)
  }
}
