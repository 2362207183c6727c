// JobFlow.swift — cron: jobs are of the catalog; the coordinator that leads runs those that are due, each at most once at a time.
//
// A new leader counts from when it began to lead: what was due while nobody led is not made up. A job's text may hold several statements;
// the first that fails ends the run. Times are UTC, by the wall clock, which is looked at again at least once a minute.
import Capabilities
import Columns
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  /// Longest pause between two looks at the wall clock.
  private static let jobInterval = Duration.seconds(60)

  /// Runs jobs while this coordinator leads.
  func keepJobs() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      var term: UInt64?
      while true {
        try await log.untilLeading()
        guard await decides else {
          term = nil
          try await surroundings.clock.sleep(for: .milliseconds(100))
          continue
        }
        if term != decidingTerm {
          term = decidingTerm
          agenda.beginTerm()
        }
        let now = surroundings.clock.wallMicroseconds
        agenda.update(await log.catalog.snapshot.jobs, now: now)
        for job in agenda.begin(now: now) {
          let run = jobRuns.begin(job, at: now)
          group.addTask { await self.carryOut(job, run) }
        }
        var pause = Self.jobInterval
        if let next = agenda.next { pause = min(pause, .microseconds(max(0, next - surroundings.clock.wallMicroseconds))) }
        await jobBell.wait(until: surroundings.clock.now + pause, surroundings.clock)
        try Task.checkCancellation()
      }
    }
  }
  private func carryOut(_ job: JobRecord, _ run: Int64) async {
    var (status, message) = ("succeeded", "")
    do { message = try await carryOut(job) } catch let error as TallyError {
      (status, message) = ("failed", "ERROR:  \(error.message)")
      surroundings.log.warning("job-failed", ("job", "\(job.id)"), ("reason", "\(error)"))
    } catch { (status, message) = ("failed", "\(error)") }
    jobRuns.end(run, status: status, message: message, at: surroundings.clock.wallMicroseconds)
    agenda.end(job.id)
    jobBell.notify()
  }
  /// Runs the statements of a job; gives the last one's tag.
  private func carryOut(_ job: JobRecord) async throws -> String {
    var tag = ""
    for statement in try await takeApart(job.command) {
      switch statement.content {
      case .refused(let error): throw error
      case .session(.maintain(let isVacuum)): tag = isVacuum ? "VACUUM" : "ANALYZE"
      case .session:
        throw TallyError.sql("0A000", "a statement of a session in a job is not supported: \(statement.text.prefix(40))")
      case .planned(let parsed):
        var request = StatementRequest(parsed, now: surroundings.clock.wallMicroseconds)
        (request.facts.user, request.facts.sessionUser) = (job.user, job.user)
        tag = try await carryOut(request).tag
      }
    }
    return tag
  }

  // MARK: cron.schedule and its kin

  private func text(_ value: TypedValue?) -> String? { value.flatMap { ValueText.print($0.value, as: $0.type) } }

  /// cron.schedule: the job's number.
  func schedule(_ routine: NativeRoutine, _ arguments: [TypedValue], _ request: StatementRequest) async throws -> Int64 {
    func given(_ name: String) -> TypedValue? { routine.arguments.firstIndex { $0.name == name }.map { arguments[$0] } }
    guard let schedule = text(given("schedule")), let command = text(given("command")) else {
      throw TallyError.sql("22004", "a schedule and a command are needed")
    }
    let name = text(given("job_name"))
    if name == nil, given("job_name") != nil { throw TallyError.sql("22004", "job_name can not be NULL") }
    _ = try CronSchedule(schedule)
    try Self.check(database: text(given("database")), request)
    guard command.utf8.count <= Limits.sqlBytesMax else { throw TallyError.sql("54000", "the command of a job is too long") }
    let user = text(given("username")) ?? request.facts.user
    if await !decides {
      // A name that is empty is none, and this form takes the user along.
      let isActive = given("active").map { text($0) == "f" ? "false" : "true" } ?? "true"
      let list = [name ?? "", schedule, command, request.facts.database, user].map { Self.quoted($0) }.joined(separator: ", ")
      return try await askLeader("cron.schedule_in_database(\(list), \(isActive))", .bigint)
    }
    var job = JobRecord(id: 0, name: name ?? "", schedule: schedule, command: command, user: user)
    if let active = given("active"), case .fixed(0) = active.value { job.isActive = false }
    guard case .job(let id) = try await log.propose(.scheduleJob(job)) else { throw TallyError(.internalError, "a job has no number") }
    jobBell.notify()
    return id
  }
  private static func check(database: String?, _ request: StatementRequest) throws(TallyError) {
    guard let database, database != request.facts.database else { return }
    throw .sql("3D000", "database \"\(database)\" does not exist", hint: "A cluster has one database.")
  }
  /// cron.unschedule.
  func unschedule(_ arguments: [TypedValue], _ request: StatementRequest) async throws -> Bool {
    try await freshenToRead(until: request.deadline)
    let jobs = await log.catalog.snapshot.jobs
    let found: JobRecord?
    if case .fixed(let id)? = arguments.first?.value {
      found = jobs.first { $0.id == id }
      if found == nil { throw TallyError.sql("XX000", "could not find valid entry for job \(id)") }
    } else {
      let name = text(arguments.first) ?? ""
      found = jobs.first { $0.name == name && $0.user == request.facts.user } ?? jobs.first { $0.name == name }
      if found == nil { throw TallyError.sql("XX000", "could not find valid entry for job '\(name)'") }
    }
    guard let job = found else { return false }
    if await !decides { return try await askLeader("cron.unschedule(\(job.id))", .boolean) == 1 }
    _ = try await log.propose(.unscheduleJob(job.id))
    jobBell.notify()
    return true
  }
  /// cron.alter_job.
  func alterJob(_ arguments: [TypedValue], _ request: StatementRequest) async throws {
    guard case .fixed(let id)? = arguments.first?.value else { throw TallyError.sql("22004", "job_id can not be NULL") }
    try await freshenToRead(until: request.deadline)
    guard var job = await log.catalog.snapshot.jobs.first(where: { $0.id == id }) else {
      throw TallyError.sql("XX000", "Job \(id) does not exist or you don't own it")
    }
    try Self.check(database: text(arguments[3]), request)
    if let schedule = text(arguments[1]) {
      _ = try CronSchedule(schedule)
      job.schedule = schedule
    }
    if let command = text(arguments[2]) { job.command = command }
    if let user = text(arguments[4]) { job.user = user }
    if case .fixed(let active) = arguments[5].value { job.isActive = active != 0 }
    if await !decides {
      let texts = [job.schedule, job.command, request.facts.database, job.user].map { Self.quoted($0) }.joined(separator: ", ")
      _ = try await askLeader("cron.alter_job(\(id), \(texts), \(job.isActive))", .void)
      return
    }
    _ = try await log.propose(.scheduleJob(job))
    jobBell.notify()
  }
  private static func quoted(_ text: String?) -> String {
    guard let text else { return "NULL" }
    return "'" + text.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
  }
  /// Has the leader carry a call out; gives its value as an integer.
  private func askLeader(_ call: String, _ type: DataType) async throws -> Int64 {
    let request = QueryRequest(sql: "SELECT \(call)", statementTime: surroundings.clock.wallMicroseconds)
    var result: Int64 = 0
    for message in try await askLeader(.query(request), until: surroundings.clock.now + Self.leaderPatience) {
      guard case .resultBatch(let content) = message else { continue }
      let batch = try BatchFormat.decode(content.batch, types: [type])
      if batch.count > 0, case .fixed(let values) = batch.columns[0].values { result = values[0] }
    }
    return result
  }
}
