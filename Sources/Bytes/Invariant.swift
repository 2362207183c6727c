// Invariant.swift — a check that stays on in release builds and prints what it found.
//
// For programmer errors only. Bad bytes or text are thrown (DecodingFailure); failures between nodes are status codes.

/// Ends the process with `message` when `condition` is false; never compiled out.
@inlinable public func invariant(
  _ condition: Bool,
  _ message: @autoclosure () -> String,
  file: StaticString = #fileID,
  line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}
