// ClusterColumns.swift — columns of the relations that tell of the cluster: Citus's, as its documentation names them, and our own.
//
// The form is PostgresColumns'. Enumerations of Citus (noderole, citus_table_type) are texts here. Our own lists have the columns of
// `tally node|shard|rollup|statement list`, of which they are made (Listings.swift): SystemRelationsTests compares them.

/// Columns of relations about the cluster.
enum ClusterColumns {
  /// Citus's.
  static let citus = """
    citus_tables 17400 v: table_name regclass, citus_table_type text, distribution_column text, colocation_id int4, table_size text,
      shard_count int8, table_owner name, access_method name
    citus_shards 17401 v: table_name regclass, shardid int8, shard_name text, citus_table_type text, colocation_id int4, nodename text,
      nodeport int4, shard_size int8
    citus_stat_activity 17402 v: global_pid int8, nodeid int4, is_worker_query bool, datid oid, datname name, pid int4,
      leader_pid int4, usesysid oid, usename name, application_name text, client_addr inet, client_hostname text, client_port int4,
      backend_start timestamptz, xact_start timestamptz, query_start timestamptz, state_change timestamptz, wait_event_type text,
      wait_event text, state text, backend_xid xid, backend_xmin xid, query_id int8, query text, backend_type text
    pg_dist_node 17403 r: nodeid int4!, groupid int4!, nodename text!, nodeport int4!, noderack text!, hasmetadata bool!,
      isactive bool!, noderole text!, nodecluster name!, metadatasynced bool!, shouldhaveshards bool!
    pg_dist_partition 17404 r: logicalrelid regclass!, partmethod char!, partkey text, colocationid int4!, repmodel char!,
      autoconverted bool!
    pg_dist_shard 17405 r: logicalrelid regclass!, shardid int8!, shardstorage char!, shardminvalue text, shardmaxvalue text
    pg_dist_placement 17406 r: placementid int8!, shardid int8!, shardstate int4!, shardlength int8!, groupid int4!
    pg_dist_shard_placement 17407 v: shardid int8, shardstate int4, shardlength int8, nodename text, nodeport int8, placementid int8
    pg_dist_colocation 17408 r: colocationid int4!, shardcount int4!, replicationfactor int4!, distributioncolumntype oid!,
      distributioncolumncollation oid!
    """
  /// Our own.
  static let tally = """
    tally_nodes 17420 v: node text, role text, state text, address text, incarnation int8, shards int8, disk_used int8, disk_free int8,
      journal_bytes int8, memory_used int8, memory_limit int8, part text, term int8, disk text
    tally_shards 17421 v: shard int8, group int8, primary text, state text, epoch int8, in_sync int8, copies int8, others text,
      position int8, rows int8, segment_bytes int8, memtable_bytes int8, lower_hash text, upper_hash text
    tally_rollups 17422 v: rollup text, table text, levels text, keep text, shards_behind int8, lag_seconds int8, measures int8
    tally_tables 17423 v: table text, distribution text, tenant_key text, group int8, shards int8, time_column text, keep text,
      columns int8
    tally_statements 17424 v: statement text, shard int8, decides int8, state text, rows int8, bytes int8, age_seconds int8
    tally_losses 17425 v: shard int8, epoch int8, time text, kept_through int8, known_through int8, primary text, reason text, lost text
    tally_plans 17426 v: statement text, parameters text, time_zone text, search_path text, plan text, generic_plans int8,
      custom_plans int8
    """
  /// pg_cron's, in schema cron.
  static let cron = """
    job 17430 r: jobid int8!, schedule text!, command text!, nodename text!, nodeport int4!, database text!, username text!,
      active bool!, jobname text
    job_run_details 17431 r: jobid int8, runid int8!, job_pid int4, database text, username text, command text, status text,
      return_message text, start_time timestamptz, end_time timestamptz
    """
  /// Functions that give rows and have no arguments.
  static let functions = """
    citus_get_active_worker_nodes 0 f: node_name text, node_port int8
    master_get_active_worker_nodes 0 f: node_name text, node_port int8
    pg_get_keywords 0 f: word text, catcode char, barelabel bool, catdesc text, baredesc text
    """
}
