// CatalogCopyRecord.swift — a state of the coordinators as workers keep it for the day no coordinator is left (protocol.md §2.15): how old
// it is, and its bytes, of which only the part that all nodes know is read here. On disk: Storage/CatalogCopyFile; on its way:
// Wire/CatalogCopyMessages.
import Bytes

/// A state of the coordinators that a worker keeps.
public struct CatalogCopyRecord: Equatable, Sendable {
  /// How often the catalog was recovered from workers, from 1.
  public var generation: UInt64
  /// Index of the last command in it.
  public var index: UInt64
  /// Term of the coordinator that sent it.
  public var term: UInt64
  /// The state.
  public var state: [UInt8]
  /// Makes a record.
  public init(generation: UInt64, index: UInt64, term: UInt64, state: [UInt8]) {
    self.generation = generation
    self.index = index
    self.term = term
    self.state = state
  }
  /// Whether it takes another's place.
  public func isNewer(than other: CatalogCopyRecord?) -> Bool {
    guard let other else { return true }
    return (generation, index) > (other.generation, other.index)
  }
  /// The part of the state that all nodes know; nil when it is of a form that is not known here.
  public var snapshot: CatalogSnapshot? {
    do {
      return try state.withReader { reader throws(DecodingFailure) in
        _ = try reader.u8()
        return try CatalogFormat.decodeSnapshot(from: &reader)
      }
    } catch { return nil }
  }
}
