-- The sample's table, spread by carrier, and one rollup with three levels.
CREATE TABLE flights (
  ts        timestamp NOT NULL,
  carrier   text NOT NULL,
  tailnum   text,
  dest      text NOT NULL,
  distance  integer,
  dep_delay integer
);
SELECT create_distributed_table('flights', 'carrier', shard_count => 12);
CREATE MATERIALIZED VIEW traffic
WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
SELECT carrier,
       time_bucket(ts) AS bucket,
       count(*) AS flights,
       count(dep_delay) AS departed,
       sum(dep_delay) AS delay,
       sum(distance) AS miles,
       hll_add_agg(hll_hash_text(tailnum)) AS aircraft,
       topn_add_agg(dest) AS destinations
FROM flights
GROUP BY carrier, bucket;
