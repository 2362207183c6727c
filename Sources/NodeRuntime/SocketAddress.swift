// SocketAddress.swift — NetworkAddress to and from the system's socket addresses. Numeric only: no name look-ups.
internal import CUV
internal import Capabilities
internal import Glibc

/// Calls `body` with the system's form of `address`; `localhost` is 127.0.0.1.
func withSocketAddress<R>(
  _ address: NetworkAddress,
  _ body: (UnsafePointer<sockaddr>) throws -> R
) throws -> R {
  let host = address.host == "localhost" ? "127.0.0.1" : address.host
  var four = sockaddr_in()
  if uv_ip4_addr(host, Int32(address.port), &four) == 0 {
    return try withUnsafeBytes(of: &four) {
      try body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!)
    }
  }
  var six = sockaddr_in6()
  let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  if uv_ip6_addr(bare, Int32(address.port), &six) == 0 {
    return try withUnsafeBytes(of: &six) {
      try body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!)
    }
  }
  throw NetworkFailure(
    .addressUnavailable,
    "'\(address.host)' is neither a numeric address nor localhost"
  )
}

/// The address in a `sockaddr` of either family.
func numericAddress(_ address: UnsafeRawPointer) -> NetworkAddress {
  var text = [CChar](repeating: 0, count: 64)
  let host: String
  let port: UInt16
  if address.load(as: sockaddr.self).sa_family == sa_family_t(AF_INET6) {
    let six = address.assumingMemoryBound(to: sockaddr_in6.self)
    require(uv_ip6_name(six, &text, text.count), "uv_ip6_name")
    host = "[" + text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } + "]"
    port = UInt16(bigEndian: six.pointee.sin6_port)
  } else {
    let four = address.assumingMemoryBound(to: sockaddr_in.self)
    require(uv_ip4_name(four, &text, text.count), "uv_ip4_name")
    host = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    port = UInt16(bigEndian: four.pointee.sin_port)
  }
  return NetworkAddress(host: host, port: port)
}
