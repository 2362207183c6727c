// ExpressionBinder+Hosted.swift — calls of the coordinator's own functions: catalogs, sessions, settings.
import Model
import SQL

extension ExpressionBinder {
  /// The call, if the coordinator has such a function: the one whose arguments need the fewest casts.
  func hostedCall(_ call: CallSyntax, _ arguments: [Expression], _ position: Int) throws(TallyError) -> Expression? {
    guard let system = context.system else { return nil }
    var best: (function: HostedFunction, casts: Int)?
    for function in system.functions(schema: call.schema, name: call.name) where function.arguments.count == arguments.count {
      var casts = 0
      var fits = true
      for (argument, type) in zip(arguments, function.arguments) where argument.type != type {
        if argument.type == .unknown {
          // An untyped literal is taken as text first.
          casts += type.isText ? 1 : 2
        } else if Casts.context(from: argument.type, to: type) == .implicit {
          casts += 3
        } else {
          fits = false
        }
      }
      if fits, casts < best?.casts ?? Int.max { best = (function, casts) }
    }
    guard let function = best?.function else { return nil }
    var bound: [Expression] = []
    for (at, type) in function.arguments.enumerated() {
      bound.append(try coerce(arguments[at], to: type, at: call.arguments[at].position, .implicit))
    }
    // A row that is about to be stored has its value now.
    if !function.isStable, bound.isEmpty, clause == .values || clause == .execute {
      return .constant(function.result, try located(position) { () throws(TallyError) in try function.evaluate([]) })
    }
    usesStatementTime = true
    return Expression(function.result, .hosted(function, bound))
  }
}
