// RollupOptions.swift — WITH (rollup, levels = '5 minutes, 1 day', keep = '2 days, forever', time_zone = 'UTC').
import Model
import SQL

struct RollupOptions {
  struct Level {
    var width: BucketWidth
    var text: String
  }
  /// As written; empty when the option is absent.
  private(set) var levels: [Level] = []
  private var keeps: [Interval?] = []
  private var levelsPosition = 1
  private var keepPosition: Int?

  init(_ options: [OptionSyntax], name: NameSyntax) throws(TallyError) {
    guard options.contains(where: { $0.name.name == "rollup" && Self.isOn($0.value) }) else {
      throw .sql(
        "0A000",
        "materialized views other than rollups are not supported",
        hint: "CREATE MATERIALIZED VIEW … WITH (rollup, levels = '5 minutes, 1 day') AS SELECT …",
        position: name.position
      )
    }
    levelsPosition = name.position
    for option in options {
      let position = option.name.position
      let value = option.value ?? ""
      switch option.name.name {
      case "rollup": break
      case "levels":
        levelsPosition = position
        for part in value.split(separator: ",", omittingEmptySubsequences: false) {
          levels.append(try Self.level(String(part).trimmingBlanks, position))
        }
      case "keep":
        keepPosition = position
        for part in value.split(separator: ",", omittingEmptySubsequences: false) {
          keeps.append(try KeepText.parse(String(part), position: position))
        }
      case "time_zone":
        guard ["utc", "etc/utc", "gmt"].contains(value.lowercased()) else {
          throw .sql("0A000", "time zone \"\(value)\" of a rollup is not supported", hint: "Use 'UTC'.", position: position)
        }
      default: throw .sql("22023", "unrecognized parameter \"\(option.name.name)\"", position: position)
      }
    }
  }
  private static func isOn(_ value: String?) -> Bool { value.map { ["true", "on", "1"].contains($0.lowercased()) } ?? true }

  private static func level(_ text: String, _ position: Int) throws(TallyError) -> Level {
    let interval: Interval
    do throws(TallyError) { interval = try IntervalText.parse(text) } catch { throw error.at(position) }
    guard let width = BucketWidths.width(of: interval) else {
      throw .sql(
        "22023",
        "invalid level \"\(text)\"",
        hint: "A level is whole months, or days and time, and greater than zero.",
        position: position
      )
    }
    if case .microseconds(let micros) = width, BucketWidths.day % micros != 0, micros % BucketWidths.day != 0 {
      throw .sql(
        "22023",
        "invalid level \"\(text)\"",
        hint: "A level divides a day or is whole days, weeks or months.",
        position: position
      )
    }
    return Level(width: width, text: text)
  }

  /// The levels with their retention; `finest` is the width that time_bucket has in the query.
  func levels(finest: BucketWidth, timeType: DataType) throws(TallyError) -> [RollupLevel] {
    var widths = levels
    if widths.isEmpty {
      widths = [try Self.level(IntervalText.text(BucketWidths.interval(of: finest)), levelsPosition)]
    }
    guard widths[0].width == finest else {
      throw .sql(
        "22023",
        "the width of time_bucket differs from the finest level \"\(widths[0].text)\"",
        hint: "Write time_bucket(time) without a width.",
        position: levelsPosition
      )
    }
    guard widths.count <= Limits.levelsMax else {
      throw .sql("22023", "a rollup can have at most \(Limits.levelsMax) levels", position: levelsPosition)
    }
    for (fine, coarse) in zip(widths, widths.dropFirst()) {
      guard fine.width != coarse.width, BucketWidths.nests(fine.width, in: coarse.width) else {
        let isWeek = if case .microseconds(let micros) = fine.width { BucketWidths.isWeeks(micros) } else { false }
        throw .sql(
          "22023",
          "level \"\(fine.text)\" does not nest in level \"\(coarse.text)\"",
          hint: isWeek
            ? "Read weeks from days: time_bucket('1 week', bucket)." : "Write levels from fine to coarse, each a part of the next.",
          position: levelsPosition
        )
      }
    }
    if timeType == .date, case .microseconds(let micros) = finest, micros % BucketWidths.day != 0 {
      throw .sql("22023", "buckets of dates must be whole days", position: levelsPosition)
    }
    try checkKeeps(widths)
    return widths.enumerated().map { index, level in
      RollupLevel(
        width: level.width,
        suffix: BucketWidths.suffix(level.width),
        keep: index < keeps.count ? keeps[index] : nil
      )
    }
  }
  private func checkKeeps(_ widths: [Level]) throws(TallyError) {
    guard let keepPosition else { return }
    guard keeps.count == widths.count else {
      throw .sql(
        "22023",
        "option \"keep\" has \(keeps.count) entries for \(widths.count) levels",
        hint: "Write one for each level, such as '2 days, 400 days, forever'.",
        position: keepPosition
      )
    }
    for (index, (fine, coarse)) in zip(keeps, keeps.dropFirst()).enumerated() {
      guard let coarse else { continue }
      guard let fine, fine.span <= coarse.span else {
        throw .sql(
          "22023",
          "level \"\(widths[index + 1].text)\" is kept shorter than level \"\(widths[index].text)\"",
          hint: "A coarser level must be kept at least as long.",
          position: keepPosition
        )
      }
    }
  }
}
