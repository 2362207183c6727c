// ModifyAnswers.swift — answers to changes of rows that the log does not tell, should their request come again: for as long as the role
// lasts.
//
// A request may come twice, its first copy late. What the log holds of a statement answers the second; here is what it does not hold:
// that a change found nothing to do, that it was refused, and the rows that RETURNING gave. A new primary knows none of it, but requests
// name its epoch: those that are late then are refused.
import Model
import Wire

/// Answers by statement and ordinal.
struct ModifyAnswers {
  private static let countMax = 1 << 16
  private static let bytesMax = 8 << 20
  private struct Key: Hashable {
    var statement: StatementID
    var ordinal: Int
  }
  private var answers: [Key: Result<Modified, TallyError>] = [:]
  /// Keys in the order in which they came; some may be gone.
  private var order: [Key] = []
  /// The first of them that counts.
  private var first = 0
  private var bytes = 0

  /// What a request was answered.
  func answer(_ request: ModifyRows) -> Result<Modified, TallyError>? {
    answers[Key(statement: request.statement, ordinal: request.ordinal)]
  }
  /// Keeps an answer; the oldest go when there are too many.
  mutating func keep(_ answer: Result<Modified, TallyError>, to request: ModifyRows) {
    let key = Key(statement: request.statement, ordinal: request.ordinal)
    if let old = answers.updateValue(answer, forKey: key) { bytes -= Self.bytes(old) } else { order.append(key) }
    bytes += Self.bytes(answer)
    while order.count - first > 1, order.count - first > Self.countMax || bytes > Self.bytesMax {
      if let old = answers.removeValue(forKey: order[first]) { bytes -= Self.bytes(old) }
      first += 1
    }
    if first > 1024, first * 2 > order.count {
      order.removeFirst(first)
      first = 0
    }
  }
  private static func bytes(_ answer: Result<Modified, TallyError>) -> Int {
    if case .success(let modified) = answer { modified.returned.count + 64 } else { 256 }
  }
}
