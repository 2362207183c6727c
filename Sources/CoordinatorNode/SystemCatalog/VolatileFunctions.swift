// VolatileFunctions.swift — random(), gen_random_uuid(), clock_timestamp(): another value for every row, made by the coordinator.
//
// Workers never evaluate them (nothing that is replayed may): a query's rows come to the coordinator first, an INSERT's values are made
// before they are logged.
import Capabilities
import Model
import Planning

/// Where values come from that nothing determines.
struct VolatileSources: Sendable {
  var random: any Random
  var clock: any Clock
}

extension SystemRelations {
  func volatileFunctions(_ name: String) -> [HostedFunction] {
    guard let sources else { return [] }
    switch name {
    case "random":
      return [HostedFunction(name, [], .double, isStable: false) { _ in .double(Double(sources.random.next() >> 11) * 0x1p-53) }]
    case "gen_random_uuid":
      return [
        HostedFunction(name, [], .uuid, isStable: false) { _ in
          var bytes: [UInt8] = []
          for word in [sources.random.next(), sources.random.next()] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
          }
          bytes[6] = bytes[6] & 0x0f | 0x40
          bytes[8] = bytes[8] & 0x3f | 0x80
          return .bytes(bytes)
        }
      ]
    case "clock_timestamp":
      return [HostedFunction(name, [], .timestamptz, isStable: false) { _ in .fixed(sources.clock.wallMicroseconds) }]
    default: return []
    }
  }
}
