// LockBindingTests.swift — FOR UPDATE and LOCK TABLE: what is held where, and what is refused in PostgreSQL 15's words.
import Model
import SQL
import Testing

@testable import Planning

/// statement | SQLSTATE | message | position, as PostgreSQL 15 answers; those that it takes and Tally does not are last.
private let refusals = """
  select distinct n from k for update|0A000|FOR UPDATE is not allowed with DISTINCT clause|
  select n from k group by n for share|0A000|FOR SHARE is not allowed with GROUP BY clause|
  select count(*) from k for update|0A000|FOR UPDATE is not allowed with aggregate functions|
  select row_number() over () from k for update|0A000|FOR UPDATE is not allowed with window functions|
  select n from k union select n from k for update|0A000|FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT|
  values (1) for update|0A000|FOR UPDATE cannot be applied to VALUES|
  select n from k q for update of k|42P01|relation "k" in FOR UPDATE clause not found in FROM clause|33
  select n from k for no key update of zz|42P01|relation "zz" in FOR NO KEY UPDATE clause not found in FROM clause|38
  lock zz|42P01|relation "zz" does not exist|
  select n from k for update skip locked|0A000|SKIP LOCKED is not supported|
  select k.n from k join o on k.tenant = o.tenant for update|0A000|FOR UPDATE of more than one table is not supported|
  select x from o for update|0A000|FOR UPDATE of table "o" is not supported|15
  select * from (select n from k for update) q|0A000|FOR UPDATE and FOR SHARE inside of a statement are not supported|
  """

@Suite struct LockBindingTests {
  @Test func whatCannotBeHeldIsRefused() throws {
    for line in refusals.split(separator: "\n") {
      let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      let error = try KeyedCatalog.failure(fields[0].trimmingPrefix(while: { $0 == " " }).description)
      #expect(error?.sqlState == fields[1] && error?.message == fields[2], "\(fields[0]): \(String(describing: error))")
      if !fields[3].isEmpty { #expect(error?.position.map(String.init) == fields[3], "\(fields[0])") }
    }
  }
  @Test func aQueryHoldsTheShardsThatItReads() throws {
    func lock(_ text: String) throws -> TableLock? {
      guard case .select(let plan) = try KeyedCatalog.statement(text) else { return nil }
      return plan.lock
    }
    let one = try #require(try lock("select n from k where tenant = 5 and id = 1 for update"))
    #expect(one.table.name == "k" && one.waits && !one.isWhole && one.isHeld)
    #expect(one.shards != .all)
    #expect(try lock("select n from k for update nowait")?.waits == false)
    #expect(try lock("select n from k for update")?.shards == .all)
    #expect(try lock("select t from g where id = 3 for share")?.table.name == "g")
    #expect(try lock("select q.n from k q where q.tenant = 5 for update of q")?.table.name == "k")
    // No rows that could be held.
    #expect(try lock("select a from nokey for update") == nil)
    #expect(try lock("select 1 for update") == nil)
    #expect(try lock("select n from k") == nil)
  }
  @Test func strongModesHoldTables() throws {
    func locks(_ text: String) throws -> [TableLock] {
      guard case .lock(let locks) = try KeyedCatalog.statement(text) else { return [] }
      return locks
    }
    let both = try locks("lock table k, o in exclusive mode nowait")
    #expect(both.map(\.table.name) == ["k", "o"] && both.allSatisfy { $0.isWhole && !$0.waits && $0.shards == .all })
    #expect(both.map(\.isHeld) == [true, false])
    #expect(try locks("lock k").count == 1)
    #expect(try locks("lock k in share mode").count == 1)
    for mode in ["access share", "row share", "row exclusive", "share update exclusive"] {
      #expect(try locks("lock k in \(mode) mode").isEmpty)
    }
    #expect(try locks("lock nokey").isEmpty)
  }
}
