// CanonicalForm.swift — one state for all that behave alike: what nobody can use is forgotten, replicas 0, 1 and 2 are renamed into order.
//
// Identities 0 to 2 are interchangeable, so each state has up to six namesakes; the search keeps the least. Replicas are sorted by what
// renaming does not change, and only where two are equal in that are both orders tried.

extension Rules {
  /// The canonical state of all that behave like this one.
  public func canonical(_ state: ShardState) -> ShardState {
    var state = state
    forgetUseless(&state)
    let (k0, k1, k2) = (key(0, state), key(1, state), key(2, state))
    var (a, b, c) = (0, 1, 2)
    var (ka, kb, kc) = (k0, k1, k2)
    if kb < ka { (a, b, ka, kb) = (b, a, kb, ka) }
    if kc < kb { (b, c, kb, kc) = (c, b, kc, kb) }
    if kb < ka { (a, b, ka, kb) = (b, a, kb, ka) }
    var least = state.renamed(a, b, c)
    if ka == kb { least = min(least, state.renamed(b, a, c)) }
    if kb == kc { least = min(least, state.renamed(a, c, b)) }
    if ka == kb && kb == kc {
      least = min(least, state.renamed(b, c, a))
      least = min(least, state.renamed(c, a, b))
      least = min(least, state.renamed(c, b, a))
    }
    return least
  }

  /// Forgets acknowledgements of epochs nobody is primary of, and who knows the record where it makes no difference.
  private func forgetUseless(_ state: inout ShardState) {
    let epoch = state.epoch
    // A primary that may resume its epoch could use what was acknowledged before.
    var used: UInt64 = drops(.newEpochAfterRestart) ? 0xF &<< (32 &+ UInt64(epoch &- 1) &* 4) : 0
    for r in 0..<ShardState.identities {
      let replica = state.replicas[r]
      if replica.isPrimary { used |= 0xF &<< (32 &+ UInt64(replica.promised &- 1) &* 4) }
      if !replica.isPrimary || replica.promised != epoch { state.replicas[r].knowsRecord = false }
    }
    let useless = Replica.acknowledgements & ~used
    for r in 0..<ShardState.identities { state.replicas[r].facts &= ~useless }
  }

  /// What renaming leaves alone: log, facts without sets, and whether the record names the replica.
  private func key(_ r: Int, _ state: ShardState) -> (UInt64, UInt64) {
    var facts = state.replicas[r].facts & ~Replica.sets
    facts |= UInt64(state.inSync.bits &>> UInt8(r) & 1) &<< 12 | UInt64(state.eligible.bits &>> UInt8(r) & 1) &<< 13
    if state.primary == r { facts |= 1 &<< 14 }
    return (state.replicas[r].log.bytes, facts)
  }
  private func min(_ a: ShardState, _ b: ShardState) -> ShardState { b.precedes(a) ? b : a }
}

extension ShardState {
  /// The state in which old replicas a, b, c are called 0, 1, 2.
  @inline(__always) func renamed(_ a: Int, _ b: Int, _ c: Int) -> ShardState {
    if a == 0 && b == 1 { return self }
    var out = self
    out.replicas[0] = replicas[a]
    out.replicas[1] = replicas[b]
    out.replicas[2] = replicas[c]
    let (sa, sb, sc) = (UInt64(a), UInt64(b), UInt64(c))
    // Every set is four bits at a multiple of four: all of a word's sets are renamed at once.
    func rename(_ sets: UInt64) -> UInt64 {
      let ones: UInt64 = 0x1111_1111_1111_1111
      return sets &>> sa & ones | (sets &>> sb & ones) &<< 1 | (sets &>> sc & ones) &<< 2 | sets & (ones &<< 3)
    }
    for r in 0..<Self.identities {
      let sets = out.replicas[r].facts & Replica.sets
      if sets != 0 { out.replicas[r].facts = out.replicas[r].facts & ~Replica.sets | rename(sets) & Replica.sets }
    }
    let recordSets: UInt64 = 0xFF00
    out.record = record & ~recordSets | rename(record & recordSets)
    let old = primary
    out.primary = old == a ? 0 : old == b ? 1 : old == c ? 2 : old
    return out
  }

  /// Any total order.
  func precedes(_ other: ShardState) -> Bool {
    for r in 0..<Self.identities {
      let (mine, its) = (replicas[r], other.replicas[r])
      if mine.log != its.log { return mine.log.bytes < its.log.bytes }
      if mine.facts != its.facts { return mine.facts < its.facts }
    }
    return record < other.record
  }

  /// 128 bits that tell states apart: each pair of words is multiplied full width, high and low halves go different ways.
  var fingerprint: Fingerprint {
    var (high, low): (UInt64, UInt64) = (0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344)
    func mix(_ a: UInt64, _ b: UInt64) {
      let first = (a ^ high).multipliedFullWidth(by: b ^ 0xA409_3822_299F_31D1 | 1)
      let second = (b ^ low).multipliedFullWidth(by: a ^ 0x082E_FA98_EC4E_6C89 | 1)
      high = first.high ^ second.low &+ 0x9E37_79B9_7F4A_7C15
      low = first.low &+ second.high ^ (low &<< 23 | low &>> 41)
    }
    for r in 0..<Self.identities { mix(replicas[r].log.bytes, replicas[r].facts) }
    mix(record, record ^ high)
    mix(low, high)
    return Fingerprint(high: high, low: low)
  }
}
