// ScalarFunctions+Addresses.swift — functions and operators of inet, as PostgreSQL's network functions.
import Model

extension ScalarFunctions {
  static func address(_ function: Function, _ a: FunctionArguments) throws(TallyError) -> Value {
    guard let own = InetValue(a.values[0]) else { throw .sql("22P03", "invalid inet value") }
    func other() throws(TallyError) -> InetValue {
      guard let value = InetValue(a.values[1]) else { throw .sql("22P03", "invalid inet value") }
      return value
    }
    func truth(_ value: Bool) -> Value { .fixed(value ? 1 : 0) }
    switch function {
    case .inetHost: return .text(own.host)
    case .inetFull: return .text(own.full)
    case .inetAbbreviated: return .text(own.length == own.width ? own.host : own.full)
    case .inetFamily: return .fixed(own.isShort ? 4 : 6)
    case .inetLength: return .fixed(Int64(own.length))
    case .inetSetLength:
      let length = a.integer(1)
      guard (-1...Int64(own.width)).contains(length) else { throw .sql("22023", "invalid mask length: \(length)") }
      return InetValue(address: own.address, length: length == -1 ? own.width : Int(length)).value
    case .inetBroadcast: return InetValue(address: own.filled(with: true), length: own.length).value
    case .inetNetmask, .inetHostmask:
      let isHost = function == .inetHostmask
      let blank = [UInt8](repeating: isHost ? 0 : 255, count: own.address.count)
      return InetValue(address: InetValue(address: blank, length: own.length).filled(with: isHost), length: own.width).value
    case .inetSameFamily: return truth(own.isShort == (try other()).isShort)
    case .inetIsWithin: return truth(holds(try other(), own, alsoEqual: false))
    case .inetIsWithinOrEqual: return truth(holds(try other(), own, alsoEqual: true))
    case .inetHolds: return truth(holds(own, try other(), alsoEqual: false))
    case .inetHoldsOrEqual: return truth(holds(own, try other(), alsoEqual: true))
    case .inetOverlaps:
      let right = try other()
      return truth(holds(own, right, alsoEqual: true) || holds(right, own, alsoEqual: true))
    case .inetAdd: return try moved(own, by: a.integer(1), isBack: false)
    case .inetSubtract: return try moved(own, by: a.integer(1), isBack: true)
    case .inetNot: return InetValue(address: own.address.map { ~$0 }, length: own.length).value
    case .inetAnd, .inetOr:
      let right = try other()
      guard own.isShort == right.isShort else {
        throw .sql("22023", "cannot \(function == .inetAnd ? "AND" : "OR") inet values of different sizes")
      }
      let address = zip(own.address, right.address).map { function == .inetAnd ? $0 & $1 : $0 | $1 }
      return InetValue(address: address, length: max(own.length, right.length)).value
    default: return try difference(own, try other())
    }
  }
  /// Whether the network holds all of another.
  private static func holds(_ network: InetValue, _ inner: InetValue, alsoEqual: Bool) -> Bool {
    guard network.isShort == inner.isShort, network.length < inner.length || alsoEqual && network.length == inner.length else {
      return false
    }
    return network.filled(with: false) == InetValue(address: inner.address, length: network.length).filled(with: false)
  }
  private static let outOfRange = TallyError.sql("22003", "result is out of range")

  private static func moved(_ value: InetValue, by step: Int64, isBack: Bool) throws(TallyError) -> Value {
    let isDown = (step < 0) != isBack
    var carry = step.magnitude
    var address = value.address
    for at in address.indices.reversed() {
      let digit = UInt64(address[at])
      if isDown {
        let own = carry & 255
        carry >>= 8
        if digit < own { carry += 1 }
        address[at] = UInt8(truncatingIfNeeded: digit &- own)
      } else {
        let sum = digit + (carry & 255)
        carry = carry >> 8 + sum >> 8
        address[at] = UInt8(truncatingIfNeeded: sum)
      }
    }
    guard carry == 0 else { throw outOfRange }
    return InetValue(address: address, length: value.length).value
  }
  private static func difference(_ a: InetValue, _ b: InetValue) throws(TallyError) -> Value {
    guard a.isShort == b.isShort else { throw .sql("22023", "cannot subtract inet values of different sizes") }
    let isNegative = a.address.lexicographicallyPrecedes(b.address)
    let (large, small) = isNegative ? (b.address, a.address) : (a.address, b.address)
    var borrow = 0
    var bytes = [UInt8](repeating: 0, count: large.count)
    for at in large.indices.reversed() {
      let step = Int(large[at]) - Int(small[at]) - borrow
      borrow = step < 0 ? 1 : 0
      bytes[at] = UInt8(step & 255)
    }
    guard bytes.dropLast(8).allSatisfy({ $0 == 0 }) else { throw outOfRange }
    let size = bytes.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard size <= UInt64(Int64.max) + (isNegative ? 1 : 0) else { throw outOfRange }
    return .fixed(isNegative ? 0 &- Int64(truncatingIfNeeded: size) : Int64(size))
  }
}
