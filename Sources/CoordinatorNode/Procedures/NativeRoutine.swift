// NativeRoutine.swift — routines of ours that are carried out as statements are: they wait, or change the catalog.
import Columns
import Model
import Planning

/// A routine that the coordinator itself carries out.
struct NativeRoutine: Sendable {
  enum Work: Sendable {
    case sleep
    case schedule
    case unschedule
    case alterJob
    case createTimePartitions
    case dropOldTimePartitions
    case alterOldPartitions
  }
  var schema: String?
  var name: String
  var arguments: [FunctionRecord.Argument]
  var result: DataType
  var work: Work
  /// Carried out by CALL.
  var isProcedure = false

  private static func argument(_ name: String, _ type: DataType, _ initial: String? = nil) -> FunctionRecord.Argument {
    FunctionRecord.Argument(name: name, type: type, mode: .in, defaultSQL: initial)
  }
  static let all = [
    NativeRoutine(schema: nil, name: "pg_sleep", arguments: [argument("", .double)], result: .void, work: .sleep),
    NativeRoutine(schema: nil, name: "pg_sleep_for", arguments: [argument("", .interval)], result: .void, work: .sleep),
    NativeRoutine(
      schema: "cron",
      name: "schedule",
      arguments: [argument("schedule", .text), argument("command", .text)],
      result: .bigint,
      work: .schedule
    ),
    NativeRoutine(
      schema: "cron",
      name: "schedule",
      arguments: [argument("job_name", .text), argument("schedule", .text), argument("command", .text)],
      result: .bigint,
      work: .schedule
    ),
    NativeRoutine(
      schema: "cron",
      name: "schedule_in_database",
      arguments: [
        argument("job_name", .text), argument("schedule", .text), argument("command", .text), argument("database", .text),
        argument("username", .text, "NULL"), argument("active", .boolean, "true"),
      ],
      result: .bigint,
      work: .schedule
    ),
    NativeRoutine(schema: "cron", name: "unschedule", arguments: [argument("job_id", .bigint)], result: .boolean, work: .unschedule),
    NativeRoutine(schema: "cron", name: "unschedule", arguments: [argument("job_name", .text)], result: .boolean, work: .unschedule),
    NativeRoutine(
      schema: "cron",
      name: "alter_job",
      arguments: [
        argument("job_id", .bigint), argument("schedule", .text, "NULL"), argument("command", .text, "NULL"),
        argument("database", .text, "NULL"), argument("username", .text, "NULL"), argument("active", .boolean, "NULL"),
      ],
      result: .void,
      work: .alterJob
    ),
    NativeRoutine(
      schema: nil,
      name: "create_time_partitions",
      arguments: [
        argument("table_name", .text), argument("partition_interval", .interval), argument("end_at", .timestamptz),
        argument("start_from", .timestamptz, "now()"),
      ],
      result: .boolean,
      work: .createTimePartitions
    ),
    NativeRoutine(
      schema: nil,
      name: "drop_old_time_partitions",
      arguments: [argument("table_name", .text), argument("older_than", .timestamptz)],
      result: .void,
      work: .dropOldTimePartitions,
      isProcedure: true
    ),
    NativeRoutine(
      schema: nil,
      name: "alter_old_partitions_set_access_method",
      arguments: [argument("parent_table_name", .text), argument("older_than", .timestamptz), argument("new_access_method", .text)],
      result: .void,
      work: .alterOldPartitions,
      isProcedure: true
    ),
  ]
}

/// What a call may mean.
enum Callable: Sendable {
  case user(FunctionRecord)
  case native(NativeRoutine)

  var arguments: [FunctionRecord.Argument] {
    switch self {
    case .user(let function): function.inputs
    case .native(let routine): routine.arguments
    }
  }
  var returnsSet: Bool {
    guard case .user(let function) = self else { return false }
    return function.returnsSet
  }
  var isVolatile: Bool {
    guard case .user(let function) = self else { return true }
    return function.volatility == .volatile
  }
  func columns(_ alias: String? = nil) -> [OutputColumn] {
    switch self {
    case .user(let function): function.columns(alias)
    case .native(let routine): [OutputColumn(alias ?? routine.name, routine.result)]
    }
  }
  /// For each argument the place of what a call gives, positional ones first; nil in it is the default. Nil: the call does not fit.
  func places(_ positional: Int, _ names: [String]) -> [Int?]? {
    let arguments = arguments
    guard positional <= arguments.count else { return nil }
    var places = [Int?](repeating: nil, count: arguments.count)
    for at in 0..<positional { places[at] = at }
    for (number, name) in names.enumerated() {
      guard let at = arguments.firstIndex(where: { $0.name == name }), places[at] == nil else { return nil }
      places[at] = positional + number
    }
    for (at, place) in places.enumerated() where place == nil && arguments[at].defaultSQL == nil { return nil }
    return places
  }
}
