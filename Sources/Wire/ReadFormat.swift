// ReadFormat.swift — the parts of messages that say how new a read must be, how far it went, and how old what it shows may be.
//
//   place       epoch · position
//   token       list of (shard · place), shards rising; bounded by the shards that a message may name
//   read level  u8: 0 latest, 1 session, 2 stale; after 2 the longest age in microseconds (the reader of the request judges its bounds)
//   age         bool known, [microseconds]
import Bytes
import Model

extension ByteWriter {
  mutating func point(_ point: LogPoint) {
    id(point.epoch)
    id(point.position)
  }
  mutating func token(_ token: SessionToken) {
    count(token.count)
    for seen in token.points {
      id(seen.shard)
      point(seen.point)
    }
  }
  mutating func level(_ level: ReadLevel) {
    switch level {
    case .latest: u8(0)
    case .session: u8(1)
    case .stale(let max):
      u8(2)
      varint(UInt64(clamping: Int64(max / .microseconds(1))))
    }
  }
  mutating func age(_ age: UInt64?) {
    bool(age != nil)
    if let age { varint(age) }
  }
}

extension ByteReader {
  mutating func point() throws(DecodingFailure) -> LogPoint { LogPoint(epoch: try id(), position: try id()) }
  mutating func token() throws(DecodingFailure) -> SessionToken {
    let points = try list(max: shardListMax, "shards of a session token") { reader throws(DecodingFailure) in
      ShardPoint(shard: try reader.id(), point: try reader.point())
    }
    for (a, b) in zip(points, points.dropFirst()) where a.shard >= b.shard {
      throw DecodingFailure(.malformed, at: position, "shards of a session token out of order")
    }
    return SessionToken(points)
  }
  mutating func level() throws(DecodingFailure) -> ReadLevel {
    switch try u8() {
    case 0: return .latest
    case 1: return .session
    case 2: return .stale(max: .microseconds(Int64(clamping: try varint())))
    default: throw DecodingFailure(.unknown, at: position - 1, "read level")
    }
  }
  mutating func age() throws(DecodingFailure) -> UInt64? { try bool() ? try varint() : nil }
}
