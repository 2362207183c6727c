// HostedFunctions.swift — the coordinator's functions by name: where each area's stand, and how they read their arguments.
//
// The binder casts arguments to the types that are stated, so what a function gets is of them. An object that does not exist gives NULL
// where PostgreSQL gives it, and PostgreSQL's error where it fails.
import Model
import Planning

extension SystemRelations {
  /// Functions of a name, whatever their arguments.
  func hosted(_ name: String) -> [HostedFunction] {
    let areas = [
      sessionFunctions(name), sequenceFunctions(name), constraintFunctions(name), objectFunctions(name), visibilityFunctions(name),
      privilegeFunctions(name), volatileFunctions(name),
    ]
    for found in areas where !found.isEmpty { return found }
    let sizes = sizeFunctions(name)
    return sizes.isEmpty ? clusterFunctions(name) : sizes
  }
}

extension [Value] {
  /// An argument of a type that lies as an integer; 0 when it is NULL.
  func number(_ at: Int) -> Int64 {
    if case .fixed(let number) = self[at] { return number }
    return 0
  }
  /// An argument that is a text; empty when it is NULL.
  func text(_ at: Int) -> String {
    if case .text(let text) = self[at] { return text }
    return ""
  }
  /// An argument that is true.
  func isTrue(_ at: Int) -> Bool { number(at) != 0 }
}

extension Value {
  /// NULL for nil.
  static func optional(_ text: String?) -> Value { text.map { .text($0) } ?? .null }
  /// NULL for nil.
  static func optional(_ number: Int64?) -> Value { number.map { .fixed($0) } ?? .null }
  /// A truth; NULL for nil.
  static func truth(_ truth: Bool?) -> Value { truth.map { .fixed($0 ? 1 : 0) } ?? .null }
}
