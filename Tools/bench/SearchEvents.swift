// SearchEvents.swift — a seeded generator of search events, and exact answers about what it generated.
//
// Columns: app_id (tenant, Zipf 1.0), ts (seconds over `days` days from 2024-03-04, rising with a few seconds of jitter, diurnal), user_id
// (Zipf 0.6 over rows/10 users, tied to no tenant), query (Zipf 1.05 over 200,000 phrases of 1–4 words, rotated per tenant), hits
// (8 % zero, else log-normal), country (50, skewed), device (5), latency_ms (log-normal, median 8). Same seed, same bytes.
import Foundation

/// splitmix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
  mutating func normal() -> Double {
    let u = max(unit(), 1e-300)
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * unit())
  }
}

/// Draws ranks of a discrete distribution through its inverse cumulative, with a table of first guesses.
struct RankSampler {
  private let cumulative: [Double]
  private let guess: [Int32]
  init(weights: [Double]) {
    var sum = 0.0
    var cumulative: [Double] = []
    cumulative.reserveCapacity(weights.count)
    for w in weights {
      sum += w
      cumulative.append(sum)
    }
    self.cumulative = cumulative.map { $0 / sum }
    let size = 1 << 16
    var guess: [Int32] = []
    var at = 0
    for i in 0..<size {
      while at + 1 < weights.count && self.cumulative[at] <= Double(i) / Double(size) { at += 1 }
      guess.append(Int32(at))
    }
    self.guess = guess
  }
  init(zipf exponent: Double, count: Int) { self.init(weights: (1...count).map { pow(Double($0), -exponent) }) }
  func draw(_ random: inout SeededGenerator) -> Int {
    let u = random.unit()
    var at = Int(guess[Int(u * Double(guess.count))])
    while at + 1 < cumulative.count && cumulative[at] <= u { at += 1 }
    return at
  }
}

/// Generated events, by column.
struct SearchEvents {
  let rows: Int
  let tenants: Int
  let days: Int
  let seed: UInt64
  /// Tenant keys by rank.
  let appIDs: [Int64]
  let phrases: [String]
  let countries: [String]
  let devices = ["mobile", "desktop", "tablet", "api", "tv"]
  private(set) var tenant: [UInt16]
  private(set) var second: [Int32]
  private(set) var user: [Int32]
  private(set) var query: [Int32]
  private(set) var hits: [Int32]
  private(set) var country: [UInt8]
  private(set) var device: [UInt8]
  private(set) var latency: [Int32]

  /// 2024-03-04 00:00:00 UTC in seconds.
  static let start = 1_709_510_400

  init(rows: Int, tenants: Int = 1000, days: Int = 7, seed: UInt64 = 42) {
    (self.rows, self.tenants, self.days, self.seed) = (rows, tenants, days, seed)
    var random = SeededGenerator(seed: seed)
    phrases = Self.vocabulary(200_000, &random)
    countries = (0..<50).map { i in
      let pair: [UInt8] = [UInt8(65 + i / 10 * 4), UInt8(65 + i % 10 * 2)]
      return String(decoding: pair, as: UTF8.self)
    }
    var keys: [Int64] = []
    var used = Set<Int64>()
    while keys.count < tenants {
      let key = Int64(1000 + random.next() % UInt64(9 * tenants))
      if used.insert(key).inserted { keys.append(key) }
    }
    appIDs = keys
    let rotation = (0..<tenants).map { _ in Int(random.next() % 200_000) }
    let users = max(1000, rows / 10)
    let tenantRanks = RankSampler(zipf: 1.0, count: tenants)
    let queryRanks = RankSampler(zipf: 1.05, count: 200_000)
    let userRanks = RankSampler(zipf: 0.6, count: users)
    let countryRanks = RankSampler(zipf: 1.1, count: 50)
    let deviceRanks = RankSampler(weights: [0.52, 0.34, 0.07, 0.06, 0.01])
    // Cumulative of 1 + 0.6 sin over a day, by minute.
    var shape = [0.0]
    for m in 0..<1440 {
      let angle: Double = 2 * Double.pi * (Double(m) / 1440 - 0.35)
      shape.append(shape[m] + 1 + 0.6 * sin(angle))
    }
    shape = shape.map { $0 / shape[1440] }
    tenant = []
    second = []
    user = []
    query = []
    hits = []
    country = []
    device = []
    latency = []
    tenant.reserveCapacity(rows)
    second.reserveCapacity(rows)
    user.reserveCapacity(rows)
    query.reserveCapacity(rows)
    var minute = 0
    var lastDay = -1
    for i in 0..<rows {
      let x: Double = Double(i) / Double(rows) * Double(days)
      let day = min(days - 1, Int(x))
      if day != lastDay { (minute, lastDay) = (0, day) }
      let fraction = x - Double(day)
      while minute < 1439 && shape[minute + 1] < fraction { minute += 1 }
      let within = (fraction - shape[minute]) / max(1e-12, shape[minute + 1] - shape[minute])
      let s: Double = (Double(minute) + within) * 60 + random.normal() * 4
      second.append(Int32(day * 86400) + Int32(min(86399, max(0, s))))
      let t = tenantRanks.draw(&random)
      tenant.append(UInt16(t))
      let u: Int = userRanks.draw(&random) * 506_952_113 % users
      user.append(Int32(u + 1))
      query.append(Int32((queryRanks.draw(&random) + rotation[t]) % 200_000))
      hits.append(random.unit() < 0.08 ? 0 : Int32(min(99_999, exp(4 + 1.6 * random.normal()) + 1)))
      country.append(UInt8(countryRanks.draw(&random)))
      device.append(UInt8(deviceRanks.draw(&random)))
      latency.append(Int32(min(9_999, exp(log(8) + 0.8 * random.normal()) + 1)))
    }
  }

  private static func vocabulary(_ count: Int, _ random: inout SeededGenerator) -> [String] {
    let syllables =
      ("ba be bi bo bu ca ce ci co cu da de di do du fa fe fi fo ga ge go ha he hi la le li lo "
      + "lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu")
      .split(separator: " ").map(String.init)
    var words: [String] = []
    var seen = Set<String>()
    while words.count < 20_000 {
      let word = (0..<Int(1 + random.next() % 4)).map { _ in syllables[Int(random.next() % UInt64(syllables.count))] }.joined()
      if word.utf8.count <= 10 && seen.insert(word).inserted { words.append(word) }
    }
    let lengths = RankSampler(weights: [0.30, 0.40, 0.22, 0.08])
    var out: [String] = []
    seen = []
    while out.count < count {
      let phrase = (0...lengths.draw(&random)).map { _ in words[Int(20_000 * pow(random.unit(), 2.2))] }.joined(separator: " ")
      if seen.insert(phrase).inserted { out.append(phrase) }
    }
    return out
  }

  /// Writes the events as CSV with a header; gives the bytes written.
  func writeCSV(to path: String) throws -> Int {
    guard let file = fopen(path, "w") else { throw BenchFailure("cannot write \(path)") }
    defer { fclose(file) }
    var total = 0
    var buffer: [UInt8] = Array("app_id,ts,user_id,query,hits,country,device,latency_ms\n".utf8)
    buffer.reserveCapacity(1 << 20)
    let apps = appIDs.map { Array(String($0).utf8) }
    let texts = phrases.map { Array($0.utf8) }
    let places = countries.map { Array($0.utf8) }
    let kinds = devices.map { Array($0.utf8) }
    let dates = (0..<days).map { Array("2024-03-\(String(format: "%02d", 4 + $0)) ".utf8) }
    for i in 0..<rows {
      buffer.append(contentsOf: apps[Int(tenant[i])])
      buffer.append(44)
      let s = Int(second[i])
      buffer.append(contentsOf: dates[s / 86400])
      let clock = s % 86400
      for (at, part) in [clock / 3600, clock / 60 % 60, clock % 60].enumerated() {
        if at > 0 { buffer.append(58) }
        buffer.append(UInt8(48 + part / 10))
        buffer.append(UInt8(48 + part % 10))
      }
      buffer.append(44)
      append(Int(user[i]), &buffer)
      buffer.append(44)
      buffer.append(contentsOf: texts[Int(query[i])])
      buffer.append(44)
      append(Int(hits[i]), &buffer)
      buffer.append(44)
      buffer.append(contentsOf: places[Int(country[i])])
      buffer.append(44)
      buffer.append(contentsOf: kinds[Int(device[i])])
      buffer.append(44)
      append(Int(latency[i]), &buffer)
      buffer.append(10)
      if buffer.count > 1 << 19 || i == rows - 1 {
        guard fwrite(buffer, 1, buffer.count, file) == buffer.count else { throw BenchFailure("cannot write \(path)") }
        total += buffer.count
        buffer.removeAll(keepingCapacity: true)
      }
    }
    return total
  }
  private func append(_ value: Int, _ buffer: inout [UInt8]) {
    var divisor = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      buffer.append(UInt8(48 + value / divisor % 10))
      divisor /= 10
    }
  }

  // MARK: exact answers

  /// Rows by device.
  func countByDevice() -> [(String, Int)] {
    var counts = [Int](repeating: 0, count: devices.count)
    for d in device { counts[Int(d)] += 1 }
    return zip(devices, counts).sorted { $0.0 < $1.0 }
  }
  /// Groups of (tenant, 5 minutes).
  func fiveMinuteGroups() -> Int {
    var seen = BitTable(rows: tenants, width: days * 288)
    var count = 0
    for i in 0..<rows where seen.insert(Int(tenant[i]), Int(second[i]) / 300) { count += 1 }
    return count
  }
  /// Tenant ranks drawn by weight, as a dashboard's users would.
  func drawTenants(_ n: Int, among greatest: Int, seed: UInt64) -> [Int] {
    var random = SeededGenerator(seed: seed)
    let ranks = RankSampler(zipf: 1.0, count: min(greatest, tenants))
    return (0..<n).map { _ in ranks.draw(&random) }
  }
}

/// Why a benchmark could not be run, or an answer was wrong.
struct BenchFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
