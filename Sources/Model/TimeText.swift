// TimeText.swift — `time without time zone`: microseconds since midnight, 00:00:00 up to and with 24:00:00.
public import Bytes

/// Text of times of day.
public enum TimeText {
  /// 24:00.
  public static let dayEnd: Int64 = 86_400_000_000

  /// Appends `04:05:06.789`.
  public static func write(_ time: Int64, into writer: inout ByteWriter) {
    let seconds = time / 1_000_000
    writer.decimal(seconds / 3600, width: 2)
    writer.u8(0x3a)
    writer.decimal(seconds / 60 % 60, width: 2)
    writer.u8(0x3a)
    writer.decimal(seconds % 60, width: 2)
    writer.fractionOfSecond(time % 1_000_000)
  }
  /// Reads `04:05`, `04:05:06.789`, `040506`, `4:05 PM`, or the time of a timestamp.
  public static func parse(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Int64 {
    let syntax = TallyError.syntax("time", bytes, "22007")
    let range = TallyError.sql("22008", "date/time field value out of range: \"\(String(decoding: bytes, as: UTF8.self))\"")
    var scan = TextScanner(trimming: bytes)
    if scan.takeRest("allballs") { return 0 }
    let (first, width) = scan.digits()
    guard width >= 1 else { throw syntax }
    if scan.peek == 0x2d || scan.peek == 0x2f || width == 8 {
      // A date alone is no time of day.
      guard bytes.contains(0x3a) else { throw syntax }
      let stamp = try TimestampText.parseTimestamp(bytes, withTimeZone: false)
      guard !TimeArithmetic.isInfinite(stamp) else { throw syntax }
      return ((stamp % dayEnd) + dayEnd) % dayEnd
    }
    var (hour, minute, second, micros): (Int64, Int64, Int64, Int64) = (first, 0, 0, 0)
    if scan.take(0x3a) {
      let field = scan.digits()
      guard (1...2).contains(field.count), width <= 2 else { throw syntax }
      minute = field.value
      if scan.take(0x3a) {
        let field = scan.digits()
        guard (1...2).contains(field.count) else { throw syntax }
        second = field.value
        if scan.take(0x2e) { micros = Int64((scan.fraction().value * 1_000_000).rounded(.toNearestOrEven)) }
      }
    } else if width == 6 {
      (hour, minute, second) = (first / 10_000, first / 100 % 100, first % 100)
      if scan.take(0x2e) { micros = Int64((scan.fraction().value * 1_000_000).rounded(.toNearestOrEven)) }
    } else if width == 4 {
      (hour, minute) = (first / 100, first % 100)
    } else {
      throw syntax
    }
    scan.skipBlanks()
    if !scan.isAtEnd {
      let isAfternoon = scan.takeRest("pm")
      guard isAfternoon || scan.takeRest("am") else { throw syntax }
      guard (1...12).contains(hour) else { throw range }
      hour = hour % 12 + (isAfternoon ? 12 : 0)
    }
    guard hour <= 24, minute <= 59, second <= 60 else { throw range }
    let result = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros
    guard result <= dayEnd else { throw range }
    return result
  }
}
