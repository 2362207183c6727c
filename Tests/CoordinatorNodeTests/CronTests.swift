// CronTests.swift — schedules of cron, and jobs that a coordinator runs in virtual time.
import Capabilities
import Model
import Testing

@testable import CoordinatorNode
@testable import Simulation

@Suite struct CronTests {
  private static func time(_ text: String) throws -> Int64 {
    guard case .fixed(let micros) = try ValueText.parse(text, as: .timestamp) else { return 0 }
    return micros
  }
  private static func shown(_ micros: Int64?) -> String? { micros.flatMap { ValueText.print(.fixed($0), as: .timestamp) } }

  @Test(arguments: [
    ("* * * * *", "2024-02-28 23:59:59", "2024-02-29 00:00:00"),
    ("* * * * *", "2024-01-01 00:00:00", "2024-01-01 00:01:00"),
    ("*/5 * * * *", "2024-01-01 10:57:01", "2024-01-01 11:00:00"),
    ("30 3 * * *", "2024-01-01 03:30:00", "2024-01-02 03:30:00"),
    ("0 0 29 2 *", "2025-03-01 00:00:00", "2028-02-29 00:00:00"),
    ("15,45 8-10 * * mon-fri", "2024-01-05 10:46:00", "2024-01-08 08:15:00"),
    ("0 12 13 * fri", "2024-09-01 00:00:00", "2024-09-06 12:00:00"),
    ("0 12 * * 7", "2024-09-03 00:00:00", "2024-09-08 12:00:00"),
    ("0 0 1 jan,JUL *", "2024-02-01 00:00:00", "2024-07-01 00:00:00"),
    ("7/20 * * * *", "2024-01-01 00:30:00", "2024-01-01 00:47:00"),
    ("@hourly", "2024-01-01 00:30:00", "2024-01-01 01:00:00"),
    ("30 seconds", "2024-01-01 00:00:10", "2024-01-01 00:00:40"),
  ]) func aScheduleTellsTheNextTime(_ schedule: String, _ from: String, _ next: String) throws {
    let parsed = try CronSchedule(schedule)
    #expect(Self.shown(parsed.next(after: try Self.time(from))) == next)
  }
  @Test(arguments: [
    "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-3 * * * *", "*/0 * * * *", "a * * * *",
    "0 seconds", "60 seconds", "1,, * * * *",
  ])
  func aWrongScheduleIsRefused(_ schedule: String) {
    #expect(throws: TallyError.self) { try CronSchedule(schedule) }
  }
  @Test func aDayThatNeverComesIsNever() throws {
    #expect(try CronSchedule("0 0 31 2 *").next(after: 0) == nil)
  }
  @Test func aJobRunsOnceAtATimeAndMissedRunsAreOne() throws {
    var agenda = JobAgenda()
    let job = JobRecord(id: 1, name: "", schedule: "* * * * *", command: "SELECT 1", user: "app")
    let minute: Int64 = 60_000_000
    agenda.update([job], now: 0)
    #expect(agenda.next == minute && agenda.begin(now: minute - 1).isEmpty)
    #expect(agenda.begin(now: minute).count == 1)
    #expect(agenda.next == nil && agenda.begin(now: 3 * minute).isEmpty)
    agenda.end(1)
    #expect(agenda.begin(now: 5 * minute).count == 1)
    agenda.end(1)
    #expect(agenda.next == 6 * minute)
    agenda.update([], now: 0)
    #expect(agenda.next == nil)
  }

  @Test func jobsRunByTheClockAndAreListed() throws {
    try withProcedures { here in
      func ask(_ sql: String) async throws -> [String] {
        let told = try await here.run(sql)
        #expect(told.messages == [], "\(sql)")
        return told.rows
      }
      #expect(try await ask("SELECT cron.schedule('five', '*/5 * * * *', 'SELECT 1; SELECT 2')") == ["1"])
      #expect(try await ask("SELECT cron.schedule('20 seconds', $job$DO $d$ BEGIN RAISE EXCEPTION 'job fails'; END $d$ $job$)") == ["2"])
      #expect(
        try await ask("SELECT jobid, schedule, jobname, active FROM cron.job ORDER BY jobid") == [
          "1|*/5 * * * *|five|t", "2|20 seconds|NULL|t",
        ]
      )
      try await here.world.clock.sleep(for: .seconds(601))
      #expect(
        try await ask("SELECT count(*), min(status), min(return_message) FROM cron.job_run_details WHERE jobid = 1") == [
          "2|succeeded|SELECT 1"
        ]
      )
      let failed = try await ask(
        "SELECT count(*) BETWEEN 29 AND 30, min(status), max(return_message) FROM cron.job_run_details WHERE jobid = 2"
      )
      #expect(failed == ["t|failed|ERROR:  job fails"])
      #expect(try await ask("SELECT cron.unschedule(2), cron.unschedule('five')") == ["t|t"])
      #expect(try await ask("SELECT count(*) FROM cron.job") == ["0"])
      let before = try await ask("SELECT count(*) FROM cron.job_run_details")
      try await here.world.clock.sleep(for: .seconds(700))
      #expect(try await ask("SELECT count(*) FROM cron.job_run_details") == before)
      #expect(try await here.run("SELECT cron.unschedule('five')").messages == ["ERROR:  could not find valid entry for job 'five'"])
      #expect(try await here.run("SELECT cron.schedule('x', 'bad', 'SELECT 1')").messages.first == "ERROR:  invalid schedule: bad")
    }
  }
  @Test func aJobThatRunsIsNotBegunAgainWhateverBecomesOfIt() throws {
    var agenda = JobAgenda()
    var job = JobRecord(id: 1, name: "", schedule: "* * * * *", command: "SELECT 1", user: "app")
    let minute: Int64 = 60_000_000
    agenda.update([job], now: 0)
    #expect(agenda.begin(now: minute).count == 1)
    job.isActive = false
    agenda.update([job], now: minute)
    job.isActive = true
    agenda.update([job], now: minute)
    #expect(agenda.begin(now: 3 * minute).isEmpty)
    agenda.beginTerm()
    agenda.update([job], now: 3 * minute)
    #expect(agenda.begin(now: 5 * minute).isEmpty)
    agenda.end(1)
    #expect(agenda.begin(now: 5 * minute).count == 1)
  }
  @Test func aJobIsChangedInPlace() throws {
    try withProcedures { here in
      // What the catalog's bytes cannot hold never comes into its log, which every coordinator reads at every start.
      let long = String(repeating: "x", count: 1025)
      let refused = try await here.run("SELECT cron.schedule('\(long)', '@daily', 'SELECT 1')").messages
      #expect(refused.first?.hasPrefix("ERROR:  the catalog cannot hold this definition") == true)
      _ = try await here.run("SELECT cron.schedule('j', '@daily', 'SELECT 1')")
      #expect(try await here.run("SELECT cron.schedule('j', '@hourly', 'SELECT 2')").rows == ["1"])
      #expect(try await here.run("SELECT cron.alter_job(1, active => false, schedule => '30 seconds')").messages == [])
      #expect(try await here.run("SELECT schedule, command, active FROM cron.job").rows == ["30 seconds|SELECT 2|f"])
      try await here.world.clock.sleep(for: .seconds(120))
      #expect(try await here.run("SELECT count(*) FROM cron.job_run_details").rows == ["0"])
    }
  }
}
