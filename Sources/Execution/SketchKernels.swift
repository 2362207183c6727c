import Bytes
import Columns
import Model
import Planning
enum SketchKernels {
  static func unpackHLL(_ p: [UInt8], _ t: DataType, count: Int) throws -> ColumnVector { fatalError() }
  static func unpackTopN(_ p: [UInt8], _ t: DataType, count: Int) throws -> ColumnVector { fatalError() }
  static func topnAdd(_ o: [Operand], _ t: DataType, _ c: Int) throws -> Operand { fatalError() }
  static func nullForUndefined(_ o: Operand, _ a: Operand) -> Operand { fatalError() }
  static func hash(_ a: Operand, seed: Int64, count: Int) -> ColumnVector.Values { fatalError() }
  static func cardinality(_ a: Operand, count: Int) -> ColumnVector.Values { fatalError() }
  static func hllUnion(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values { fatalError() }
  static func hllAdd(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values { fatalError() }
  static func hllEqual(_ a: Operand, _ b: Operand, count: Int) -> ColumnVector.Values { fatalError() }
  static func topnUnion(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values { fatalError() }
  static func parseHLL(_ t: DataType, _ c: Int, _ v: Bitmap?, _ value: (Int) throws -> Value) throws -> ColumnVector.Values { fatalError() }
  static func pack(_ h: HLLColumn, _ row: Int) -> [UInt8] { fatalError() }
  static func pack(_ h: TopNColumn, _ row: Int) -> [UInt8] { fatalError() }
}
