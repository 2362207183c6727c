// TopNFormat.swift — the packed bytes of one TopN state: what `Value.topn` carries.
//
//   u8 version 1 · varint counters · varint keyBytesMax · varint absent · varint total · varint items
//   item: varint key length · key (UTF-8) · varint upper · varint error, rising by (MurmurHash3 first half, bytes)
// Not negative anywhere; error ≤ upper ≤ total and absent ≤ total.
public import Bytes
import Model

/// Encodes and decodes packed TopN states.
public enum TopNFormat {
  static let version: UInt8 = 1

  /// Packs a state.
  public static func encode(_ state: TopN) -> [UInt8] {
    var out = ByteWriter(capacity: 32 + state.items.count * 24)
    out.u8(version)
    out.varint(UInt64(state.parameters.counters))
    out.varint(UInt64(state.parameters.keyBytesMax))
    out.varint(UInt64(state.absent))
    out.varint(UInt64(state.total))
    out.count(state.items.count)
    for item in state.items {
      out.prefixedBytes(item.key)
      out.varint(UInt64(item.upper))
      out.varint(UInt64(item.error))
    }
    return out.finish()
  }
  /// Unpacks a state, checking everything a writer guarantees.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> TopN {
    try bytes.withReader { reader throws(DecodingFailure) in
      let version = try reader.u8()
      guard version == Self.version else {
        throw DecodingFailure(.unknown, at: 0, "topn version \(version)")
      }
      let counters = try reader.count(max: Limits.topNItemsMax, "counters of a topn")
      let keyBytesMax = try reader.count(max: Limits.textBytesMax, "key length of a topn")
      let absent = try weight(&reader)
      let total = try weight(&reader)
      let count = try reader.count(max: Limits.topNItemsMax, "items of a topn")
      // An item takes three bytes at least.
      guard count <= reader.remaining / 3 else {
        throw DecodingFailure(.truncated, at: reader.position, "\(count) items of a topn")
      }
      guard absent <= total else {
        throw DecodingFailure(.malformed, at: reader.position, "topn bound over its total")
      }
      var items: [TopN.Item] = []
      items.reserveCapacity(count)
      for _ in 0..<count {
        let start = reader.position
        let key = try reader.string(max: Limits.textBytesMax)
        let upper = try weight(&reader)
        let item = TopN.Item(key: Array(key.utf8), upper: upper, error: try weight(&reader))
        guard item.error <= upper, upper <= total else {
          throw DecodingFailure(.malformed, at: start, "topn bounds are not in order")
        }
        if let last = items.last, !TopN.Item.precedes(last, item) {
          throw DecodingFailure(.malformed, at: start, "topn items do not rise")
        }
        items.append(item)
      }
      try reader.expectEnd()
      return TopN(
        TopNParameters(counters: UInt32(counters), keyBytesMax: UInt32(keyBytesMax)),
        items: items,
        absent: absent,
        total: total
      )
    }
  }
  private static func weight(_ reader: inout ByteReader) throws(DecodingFailure) -> Int64 {
    let start = reader.position
    guard let value = Int64(exactly: try reader.varint()) else {
      throw DecodingFailure(.malformed, at: start, "topn weight over 2^63 - 1")
    }
    return value
  }
}
