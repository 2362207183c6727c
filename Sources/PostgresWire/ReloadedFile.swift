// ReloadedFile.swift — something made from files that an operator may change while the node runs.
//
// It is looked at when it is needed. What cannot be read or understood changes nothing: the last good content holds, and the log says so.

internal import Capabilities
public import Model
internal import Synchronization

/// Files as the node's surroundings read them.
public protocol WatchedFiles: Sendable {
  /// What differs once one of them was changed.
  func version() throws(TallyError) -> [Int64]
  /// Their bytes, in order.
  func read() throws(TallyError) -> [[UInt8]]
}

/// What was made of files.
final class Reloaded<Content: Sendable>: Sendable {
  private struct State {
    var version: [Int64]
    var content: Content
    /// The version that could not be taken in; it is not told of twice.
    var refused: [Int64]?
  }
  private let files: any WatchedFiles
  private let make: @Sendable ([[UInt8]]) throws(TallyError) -> Content
  private let state: Mutex<State>

  /// Reads the files for the first time.
  init(_ files: any WatchedFiles, _ make: @escaping @Sendable ([[UInt8]]) throws(TallyError) -> Content) throws(TallyError) {
    self.files = files
    self.make = make
    let version = try files.version()
    let content = try make(try files.read())
    state = Mutex(State(version: version, content: content))
  }
  /// What the files hold now; `refused` is told once of a change that cannot be taken in.
  func current(_ refused: (TallyError) -> Void) -> Content {
    state.withLock { state in
      do throws(TallyError) {
        let version = try files.version()
        if version == state.version || version == state.refused { return state.content }
        do throws(TallyError) {
          state.content = try make(try files.read())
          (state.version, state.refused) = (version, nil)
        } catch {
          state.refused = version
          throw error
        }
      } catch {
        if state.refused != [] { refused(error) }
        if state.refused == nil { state.refused = [] }
      }
      return state.content
    }
  }
}
