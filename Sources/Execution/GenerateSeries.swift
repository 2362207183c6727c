// GenerateSeries.swift — generate_series over integers, numerics and times.
//
// As PostgreSQL: the first value is the start, each next one a step further, until the stop is passed; a step that leaves the integers
// ends the series, one that leaves the times is an error.
import Bytes
import Columns
import Model
import Planning

/// Values that a series runs through.
protocol SeriesSteps {
  associatedtype Element
  associatedtype Step
  static var empty: Element { get }
  static func element(_ operand: Operand, _ row: Int) -> Element
  /// The step of a row, from all operands.
  static func step(_ operands: [Operand], _ row: Int) throws -> Step
  /// The step's sign.
  static func sign(_ step: Step) -> Int
  static func compare(_ a: Element, _ b: Element) -> Int
  /// The value a step further; nil where there is none.
  static func next(_ value: Element, _ step: Step) throws(TallyError) -> Element?
  static func values(_ elements: [Element]) -> ColumnVector.Values
}

enum IntegerSteps: SeriesSteps {
  static let empty: Int64 = 0
  static func element(_ operand: Operand, _ row: Int) -> Int64 { operand.fixed[row & operand.mask] }
  static func step(_ operands: [Operand], _ row: Int) -> Int64 { operands[2].fixed[row & operands[2].mask] }
  static func sign(_ step: Int64) -> Int { Int(step.signum()) }
  static func compare(_ a: Int64, _ b: Int64) -> Int { a < b ? -1 : a == b ? 0 : 1 }
  static func next(_ value: Int64, _ step: Int64) -> Int64? {
    let sum = value.addingReportingOverflow(step)
    return sum.overflow ? nil : sum.partialValue
  }
  static func values(_ elements: [Int64]) -> ColumnVector.Values { .fixed(elements) }
}

enum NumericSteps: SeriesSteps {
  static let empty = Numeric(0)
  static func element(_ operand: Operand, _ row: Int) -> Numeric { operand.numeric[row & operand.mask] }
  static func step(_ operands: [Operand], _ row: Int) -> Numeric { operands[2].numeric[row & operands[2].mask] }
  static func sign(_ step: Numeric) -> Int { step.sign }
  static func compare(_ a: Numeric, _ b: Numeric) -> Int { Numeric.compare(a, b) }
  static func next(_ value: Numeric, _ step: Numeric) throws(TallyError) -> Numeric? { try Numeric.add(value, step) }
  static func values(_ elements: [Numeric]) -> ColumnVector.Values { .numeric(elements) }
}

enum TimeSteps: SeriesSteps {
  static let empty: Int64 = 0
  static func element(_ operand: Operand, _ row: Int) -> Int64 { operand.fixed[row & operand.mask] }
  static func step(_ operands: [Operand], _ row: Int) -> Interval { operands[2].interval[row & operands[2].mask] }
  static func sign(_ step: Interval) -> Int { Interval.compare(step, Interval()) }
  static func compare(_ a: Int64, _ b: Int64) -> Int { a < b ? -1 : a == b ? 0 : 1 }
  static func next(_ value: Int64, _ step: Interval) throws(TallyError) -> Int64? {
    try TimeArithmetic.add(step, toTimestamp: value)
  }
  static func values(_ elements: [Int64]) -> ColumnVector.Values { .fixed(elements) }
}

/// Steps of months and days by the clocks of a zone.
enum ZonedTimeSteps: SeriesSteps {
  static let empty: Int64 = 0
  static func element(_ operand: Operand, _ row: Int) -> Int64 { TimeSteps.element(operand, row) }
  static func step(_ operands: [Operand], _ row: Int) throws -> (span: Interval, zone: ClockZone) {
    guard case .text(let text) = try operands[3].column.value(row & operands[3].mask) else { return (Interval(), .utc) }
    var memory = FunctionMemory()
    return (TimeSteps.step(operands, row), try memory.zone(text))
  }
  static func sign(_ step: (span: Interval, zone: ClockZone)) -> Int { TimeSteps.sign(step.span) }
  static func compare(_ a: Int64, _ b: Int64) -> Int { TimeSteps.compare(a, b) }
  static func next(_ value: Int64, _ step: (span: Interval, zone: ClockZone)) throws(TallyError) -> Int64? {
    try step.zone.add(step.span, toInstant: value)
  }
  static func values(_ elements: [Int64]) -> ColumnVector.Values { .fixed(elements) }
}

/// Values from a start to a stop.
final class NumberSeries<Steps: SeriesSteps>: RowSeries {
  private let operands: [Operand]
  private let type: DataType
  private var next: Steps.Element?
  private var stop = Steps.empty
  private var step: Steps.Step?
  private var isRising = true
  private var values: [Steps.Element] = []
  private var nulls: [Range<Int>] = []

  /// Start, stop, step.
  init(_ operands: [Operand], _ type: DataType) {
    self.operands = operands
    self.type = type
  }
  func start(_ row: Int) throws {
    next = nil
    guard operands.allSatisfy({ $0.validity(at: row) }) else { return }
    let step = try Steps.step(operands, row)
    let sign = Steps.sign(step)
    guard sign != 0 else { throw TallyError.sql("22023", "step size cannot equal zero") }
    (self.step, isRising) = (step, sign > 0)
    stop = Steps.element(operands[1], row)
    next = Steps.element(operands[0], row)
  }
  func extend(_ count: Int) throws -> Int {
    guard let step else { return 0 }
    var made = 0
    while made < count, let value = next {
      let order = Steps.compare(value, stop)
      guard isRising ? order <= 0 : order >= 0 else {
        next = nil
        break
      }
      values.append(value)
      made += 1
      // Past the stop nothing is computed: it might not exist.
      next = order == 0 ? nil : try Steps.next(value, step)
    }
    return made
  }
  func extendByNulls(_ count: Int) {
    nulls.append(values.count..<values.count + count)
    values.append(contentsOf: repeatElement(Steps.empty, count: count))
  }
  func take() -> [ColumnVector] {
    var validity: Bitmap?
    if !nulls.isEmpty {
      var bits = Bitmap(repeating: true, count: values.count)
      for range in nulls { for row in range { bits[row] = false } }
      validity = bits
    }
    let column = ColumnVector(type, Steps.values(values), validity: validity)
    values.removeAll(keepingCapacity: true)
    nulls.removeAll(keepingCapacity: true)
    return [column]
  }
}
