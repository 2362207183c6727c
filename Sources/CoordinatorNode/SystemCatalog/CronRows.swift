// CronRows.swift — cron.job and cron.job_run_details, as pg_cron has them. Runs are those of the coordinator that leads.
import Model

extension SystemRelations {
  func cronRows(_ definition: RelationDefinition) -> SystemRows? {
    guard definition.schema == "cron" else { return nil }
    let database = facts.database
    switch definition.name {
    case "job":
      return SystemRows(catalog.jobs) { name in
        switch name {
        case "jobid": return { .number($0.id) }
        case "schedule": return { .text($0.schedule) }
        case "command": return { .text($0.command) }
        case "nodename": return { _ in .text("localhost") }
        case "nodeport": return { _ in .number(5432) }
        case "database": return { _ in .text(database) }
        case "username": return { .text($0.user) }
        case "active": return { .flag($0.isActive) }
        case "jobname": return { $0.name.isEmpty ? .null : .text($0.name) }
        default: return { _ in .null }
        }
      }
    case "job_run_details":
      return SystemRows(jobRuns.all) { name in
        switch name {
        case "jobid": return { .number($0.job) }
        case "runid": return { .number($0.id) }
        case "database": return { _ in .text(database) }
        case "username": return { .text($0.user) }
        case "command": return { .text($0.command) }
        case "status": return { .text($0.status) }
        case "return_message": return { .optional($0.message) }
        case "start_time": return { .number($0.start) }
        case "end_time": return { .optional($0.end) }
        // job_pid: jobs have no processes.
        default: return { _ in .null }
        }
      }
    default: return nil
    }
  }
}
