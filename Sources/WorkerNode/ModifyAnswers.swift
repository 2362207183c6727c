// ModifyAnswers.swift — answers to changes of rows that the log does not tell, should their request come again: for as long as the role
// lasts.
//
// A request may come twice, its first copy late. What the log holds of a statement answers the second; here is what it does not hold:
// that a
// change found nothing to do, that it was refused, and the rows that RETURNING gave. A new primary knows none of it, but requests name
// its epoch:
// those that are late then are refused.
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
  private var bytes = 0

  /// What a request was answered.
  func answer(_ request: ModifyRows) -> Result<Modified, TallyError>? {
    answers[Key(statement: request.statement, ordinal: request.ordinal)]
  }
  /// Keeps an answer; the oldest go when there are too many.
  mutating func keep(_ answer: Result<Modified, TallyError>, to request: ModifyRows) {
    let key = Key(statement: request.statement, ordinal: request.ordinal)
    if answers.updateValue(answer, forKey: key) == nil { order.append(key) }
    bytes += Self.bytes(answer)
    while order.count > 1, order.count > Self.countMax || bytes > Self.bytesMax {
      if let old = answers.removeValue(forKey: order.removeFirst()) { bytes -= Self.bytes(old) }
    }
  }
  private static func bytes(_ answer: Result<Modified, TallyError>) -> Int {
    if case .success(let modified) = answer { modified.returned.count + 64 } else { 256 }
  }
}
