// JobRuns.swift — runs of jobs that this coordinator has begun while it led: the last thousand, in memory; a value.
import Model

/// One run of a job.
struct JobRun: Sendable {
  var id: Int64
  var job: Int64
  var user: String
  var command: String
  /// starting, running, succeeded, failed.
  var status: String
  /// The last statement's tag, or the error.
  var message: String?
  /// Microseconds since 1970, UTC.
  var start: Int64
  var end: Int64?
}

/// The runs.
struct JobRuns: Sendable {
  static let countMax = 1000
  private(set) var all: [JobRun] = []
  private var next: Int64 = 1

  mutating func begin(_ job: JobRecord, at time: Int64) -> Int64 {
    if all.count >= Self.countMax { all.removeFirst(all.count - Self.countMax + 1) }
    defer { next += 1 }
    all.append(JobRun(id: next, job: job.id, user: job.user, command: job.command, status: "running", start: time))
    return next
  }
  mutating func end(_ id: Int64, status: String, message: String, at time: Int64) {
    guard let at = all.lastIndex(where: { $0.id == id }) else { return }
    (all[at].status, all[at].message, all[at].end) = (status, message, time)
  }
}

/// When the jobs of a coordinator that leads are due; a value.
struct JobAgenda: Sendable {
  private struct Entry {
    var job: JobRecord
    var schedule: CronSchedule
    var due: Int64?
  }
  private var entries: [Int64: Entry] = [:]
  /// Jobs that run, whatever became of them in the catalog meanwhile.
  private var running: Set<Int64> = []

  /// Takes the catalog's jobs over; what is new or changed is due for the first time after `now`.
  mutating func update(_ jobs: [JobRecord], now: Int64) {
    var kept: [Int64: Entry] = [:]
    for job in jobs where job.isActive {
      if var known = entries[job.id] {
        if known.job.schedule != job.schedule, let schedule = CronSchedule.parsed(job.schedule) {
          (known.schedule, known.due) = (schedule, schedule.next(after: now))
        }
        known.job = job
        kept[job.id] = known
      } else if let schedule = CronSchedule.parsed(job.schedule) {
        kept[job.id] = Entry(job: job, schedule: schedule, due: schedule.next(after: now))
      }
    }
    entries = kept
  }
  /// When something is due next, of jobs that do not run.
  var next: Int64? { entries.lazy.filter { !running.contains($0.key) }.compactMap(\.value.due).min() }
  /// Jobs that are due and do not run; they are running from now on.
  mutating func begin(now: Int64) -> [JobRecord] {
    var result: [JobRecord] = []
    for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
      guard !running.contains(id), let due = entry.due, due <= now else { continue }
      // Runs that were missed while another was on are one run.
      entries[id]?.due = entry.schedule.next(after: now)
      running.insert(id)
      result.append(entry.job)
    }
    return result
  }
  mutating func end(_ job: Int64) { running.remove(job) }
  /// A new term begins: nothing is due from before; what runs goes on.
  mutating func beginTerm() { entries = [:] }
}
