-- S: a table partitioned by time, which is sliced by itself here; what is old goes, rollups and row counts tell.
CREATE TABLE readings (device bigint, at timestamptz NOT NULL, payload jsonb, PRIMARY KEY (device, at)) PARTITION BY RANGE (at);
SELECT create_distributed_table('readings', 'device');
SELECT create_time_partitions(table_name := 'readings', partition_interval := '1 month', end_at := '2025-01-01', start_from := '2024-01-01');
INSERT INTO readings SELECT i % 10, timestamptz '2024-01-01' + i * interval '9 hours', jsonb_build_object('v', i) FROM generate_series(0, 899) i;
SELECT date_trunc('month', at) AS month, count(*) FROM readings GROUP BY 1 ORDER BY 1 LIMIT 3;
CALL drop_old_time_partitions('readings', '2024-03-01');
SELECT min(at), count(*), (SELECT count(*) FROM generate_series(0, 899) i WHERE timestamptz '2024-01-01' + i * interval '9 hours' >= '2024-03-01') AS truth FROM readings;
CALL alter_old_partitions_set_access_method('readings', timestamptz '2024-06-01' - interval '6 months', 'columnar');
CALL drop_old_time_partitions('nothing', now());
CREATE TABLE by_list (a int, b int) PARTITION BY LIST (a);
CREATE TABLE by_number (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE readings_2024 PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
DROP TABLE readings_p2024_04;
DELETE FROM readings WHERE at >= '2024-04-01' AND at < '2024-05-01';
DROP TABLE readings;
