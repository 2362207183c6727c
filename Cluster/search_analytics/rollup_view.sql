-- Style one: declared. The levels of 5 minutes, a day and a month are kept by the shards themselves.
CREATE MATERIALIZED VIEW searches
WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
SELECT app_id,
       time_bucket("timestamp") AS bucket,
       count(*) AS searches,
       hll_add_agg(hll_hash_text(user_id)) AS users,
       topn_add_agg(query) AS top_queries
FROM queries
GROUP BY app_id, bucket;
