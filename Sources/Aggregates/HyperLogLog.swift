// HyperLogLog.swift — one HyperLogLog state outside columns: the state changes of postgresql-hll.
//
// Columns of states are united by HLLGathering, which obeys the same rules; this type serves scalars and is the
// reference the tests compare with. Bytes: HLLFormat. Estimates: HLLEstimate.
public import Model

/// One HyperLogLog state.
public struct HyperLogLog: Equatable, Sendable {
  /// What a state holds.
  public enum Content: Equatable, Sendable {
    /// Absorbs everything; its cardinality is NULL.
    case undefined
    /// The empty set.
    case empty
    /// Distinct hashes, rising as signed numbers; never more than the explicit limit unless decoded so.
    case explicit([Int64])
    /// One byte a register.
    case registers([UInt8])
  }
  /// Part of the identity: only states with equal parameters unite.
  public let parameters: HLLParameters
  /// The state.
  public private(set) var content: Content

  /// The empty set.
  public init(_ parameters: HLLParameters = HLLParameters()) { self.init(parameters, .empty) }
  /// Takes over a content that obeys the rules of `Content`.
  public init(_ parameters: HLLParameters, _ content: Content) {
    self.parameters = parameters
    self.content = content
  }

  /// Adds a hash.
  public mutating func add(_ hash: Int64) {
    switch content {
    case .undefined: break
    case .empty:
      if parameters.explicitLimit > 0 { content = .explicit([hash]) } else { toRegisters([hash]) }
    case .explicit(var hashes):
      let at = Self.place(of: hash, in: hashes)
      if at < hashes.count && hashes[at] == hash { return }
      if hashes.count >= parameters.explicitLimit { return toRegisters(hashes + [hash]) }
      content = .empty  // Lets the insertion happen in place.
      hashes.insert(hash, at: at)
      content = .explicit(hashes)
    case .registers(var registers):
      content = .empty
      HLLRegister.add(hash, to: &registers, parameters)
      content = .registers(registers)
    }
  }
  /// Adds everything the other state holds; throws when their parameters differ.
  public mutating func union(_ other: HyperLogLog) throws(TallyError) {
    try Self.expectSame(source: other.parameters, destination: parameters)
    switch (content, other.content) {
    case (.undefined, _), (_, .empty): break
    case (_, .undefined): content = .undefined
    case (.empty, let theirs): content = theirs
    case (_, .explicit(let hashes)): for hash in hashes { add(hash) }
    case (.explicit(let hashes), .registers(let theirs)):
      content = .registers(theirs)
      for hash in hashes { add(hash) }
    case (.registers(let ours), .registers(let theirs)):
      content = .registers(zip(ours, theirs).map { max($0, $1) })
    }
  }
  private mutating func toRegisters(_ hashes: [Int64]) {
    var registers = [UInt8](repeating: 0, count: parameters.registerCount)
    for hash in hashes { HLLRegister.add(hash, to: &registers, parameters) }
    content = .registers(registers)
  }
  private static func place(of hash: Int64, in hashes: [Int64]) -> Int {
    var (low, high) = (0, hashes.count)
    while low < high {
      let middle = (low + high) / 2
      if hashes[middle] < hash { low = middle + 1 } else { high = middle }
    }
    return low
  }
  /// Throws postgresql-hll's error for the first parameter that differs.
  public static func expectSame(
    source: HLLParameters,
    destination: HLLParameters
  ) throws(TallyError) {
    func failure(_ what: String, _ a: Int, _ b: Int) -> TallyError {
      .sql("22000", "\(what) does not match: source uses \(a) and dest uses \(b)")
    }
    if source == destination { return }
    if source.regwidth != destination.regwidth {
      throw failure("register width", Int(source.regwidth), Int(destination.regwidth))
    }
    if source.log2m != destination.log2m {
      throw failure("register count", source.registerCount, destination.registerCount)
    }
    if source.expthresh != destination.expthresh {
      throw failure("explicit threshold", Int(source.expthresh), Int(destination.expthresh))
    }
    throw failure("sparse enable", source.sparseon ? 1 : 0, destination.sparseon ? 1 : 0)
  }
}

/// The register a hash touches and the value it asks for.
enum HLLRegister {
  /// Largest value of a register.
  static func valueMax(_ parameters: HLLParameters) -> UInt8 {
    parameters.regwidth >= 8 ? 255 : UInt8((1 << Int(parameters.regwidth)) - 1)
  }
  /// Trailing zeros of the bits above the index, plus one; 0 when there are none.
  @inline(__always) static func value(_ hash: UInt64, log2m: UInt64, max limit: UInt8) -> UInt8 {
    let rest = hash >> log2m
    return rest == 0 ? 0 : min(limit, UInt8(truncatingIfNeeded: rest.trailingZeroBitCount &+ 1))
  }
  @inline(__always) static func index(_ hash: UInt64, log2m: UInt64) -> Int {
    Int(truncatingIfNeeded: hash & ((1 << log2m) &- 1))
  }
  static func add(_ hash: Int64, to registers: inout [UInt8], _ parameters: HLLParameters) {
    let bits = UInt64(bitPattern: hash)
    let at = index(bits, log2m: UInt64(parameters.log2m))
    registers[at] = max(
      registers[at],
      value(bits, log2m: UInt64(parameters.log2m), max: valueMax(parameters))
    )
  }
}
