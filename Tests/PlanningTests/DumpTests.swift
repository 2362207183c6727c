import Testing
@testable import Planning

@Test func dump() throws {
  for text in [
    "select 1, 2+3*4 as x, 'a' || 1, now() - interval '1 day', 7/2, 7.0/2, -7 % 3",
    "select count(*) from queries",
    "select app_id, count(*), avg(latency_ms), sum(price), avg(score) from queries where ts >= '2023-11-01' group by 1 order by 2 desc limit 10",
    "select device, count(*) n, count(distinct user_id) u from queries where app_id = 'a' group by device having count(*) > 3 order by n desc, device limit 5 offset 2",
    "select count(distinct user_id), count(distinct query), max(ts) from queries",
    "select device, count(distinct user_id) from queries group by 1",
    "select sum(searches), #hll_union_agg(users) from searches where app_id = 'a' and bucket >= '2023-11-01' and bucket < '2023-11-08'",
    "select (topn(topn_union_agg(top_queries), 10)).* from searches where bucket >= '2023-11-01'",
    "select app_id, (topn(topn_union_agg(top_queries), 10)).item as q, (topn(topn_union_agg(top_queries), 10)).frequency f from searches group by app_id order by f desc limit 3",
    "select time_bucket('1 hour', bucket) h, #sum(users) from searches where app_id = 'a' group by h order by h",
    "select date_trunc('month', bucket) m, sum(searches) from searches group by 1 order by 1",
    "select bucket, searches from searches where app_id = 'a' and searches > 10 order by bucket desc limit 3",
    "select u.d, sum(n) from (select date_trunc('day', bucket) d, searches n, app_id from searches_5min where bucket >= '2023-11-13' union all select bucket, searches, app_id from searches_1day where bucket < '2023-11-13') u where app_id = 'a' group by 1",
    "select distinct device from queries order by device",
    "select * from (select app_id a, latency_ms * 2 l from queries) q where a = 'x' and l > 10 limit 5",
    "select case when ok then 1 else 2.5 end, coalesce(device, query), latency_ms between 1 and 5, user_id in (1,2,null), query like 'a%', day + 1, ts::date, extract(hour from ts), small + 1 from queries",
    "select count(*) from searches",
    "select sum(searches) from searches where bucket >= '2023-11-01 00:05'",
    "select count(*) filter (where hits = 0) from queries where ts > now() - interval '1 hour'",
    "select carrier, count(*) from flights where carrier = 5 group by carrier",
    "select a, count(*) from (select app_id a, device, count(*) c from queries group by 1,2) x group by a",
  ] {
    print("---- \(text)")
    do { print(try SampleCatalog.explain(text)) } catch { print("ERROR \(error)") }
  }
}
