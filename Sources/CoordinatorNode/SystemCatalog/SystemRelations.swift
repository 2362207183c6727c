// SystemRelations.swift — pg_catalog, information_schema, Citus's and our own views and functions, for one statement.
//
// Made of one version of the catalog, what the coordinator heard of its workers, and the session's facts. Rows are made when they are
// asked for, only the columns asked for; the index of relations is made once a statement, when first needed. Nothing is kept from one
// statement to the next but facts that never change (PostgresTypes, PostgresFunctions, definitions). What is not known is NULL, never a
// guess: a coordinator that does not lead hears no workers.
import Capabilities
import Columns
import Model
import Planning
import Synchronization

/// The system relations and functions as one statement sees them.
final class SystemRelations: SystemCatalog {
  let state: Catalog
  let facts: SessionFacts
  let fleet: Fleet
  let standing: CatalogLog.Standing
  let now: Instant
  /// Whether this coordinator hears the workers.
  let hearsWorkers: Bool
  /// Runs of jobs that this coordinator began.
  let jobRuns: JobRuns
  /// Plans that this coordinator keeps.
  let plans: PlanCache
  /// Where random numbers and times of day come from; nil: there are none.
  let sources: VolatileSources?
  private let madeIndex = Mutex<RelationIndex?>(nil)

  init(
    _ state: Catalog,
    _ facts: SessionFacts,
    fleet: Fleet,
    standing: CatalogLog.Standing,
    now: Instant,
    hearsWorkers: Bool,
    jobRuns: JobRuns = JobRuns(),
    plans: PlanCache = PlanCache(),
    sources: VolatileSources? = nil
  ) {
    var seen = state
    (seen.snapshot.searchPath, seen.snapshot.temporarySchema) = (facts.searchPath, facts.temporarySchema)
    self.state = seen
    self.facts = facts
    self.fleet = fleet
    self.standing = standing
    self.now = now
    self.hearsWorkers = hearsWorkers
    self.jobRuns = jobRuns
    self.plans = plans
    self.sources = sources
  }

  var catalog: CatalogSnapshot { state.snapshot }
  /// All relations.
  var index: RelationIndex {
    madeIndex.withLock { made in
      if let made { return made }
      let fresh = RelationIndex(catalog)
      made = fresh
      return fresh
    }
  }

  // MARK: SystemCatalog

  func relation(schema: String?, name: String) -> SystemRelation? {
    if let schema { return RelationDefinition.byName[schema + "." + name]?.relation }
    for schema in searchedSchemas {
      // What the catalog holds under a schema that comes before is found there.
      if catalog.table(named: name, in: schema) != nil || catalog.view(named: name, in: schema) != nil { return nil }
      if let found = RelationDefinition.byName[schema + "." + name] { return found.relation }
    }
    return nil
  }
  func tableFunction(schema: String?, name: String) -> SystemRelation? {
    guard schema == nil || schema == "pg_catalog", let found = RelationDefinition.functions[name] else { return nil }
    return SystemRelation(name: "pg_catalog.\(name)()", columns: found.relation.columns)
  }
  func functions(schema: String?, name: String) -> [HostedFunction] {
    guard schema == nil || schema == "pg_catalog" else { return [] }
    return hosted(name)
  }
  func rows(of relation: String, columns: [Int]) throws(TallyError) -> Batch {
    if relation.hasSuffix("()"), let name = relation.dropLast(2).split(separator: ".").last,
      let definition = RelationDefinition.functions[String(name)]
    {
      return try functionRows(definition.name).batch(definition, columns)
    }
    guard let definition = RelationDefinition.byName[relation] else {
      throw .sql("42P01", "relation \"\(relation)\" does not exist")
    }
    guard let rows = try content(of: definition) else {
      throw TallyError(.internalError, "relation \(relation) has no content")
    }
    return try rows.batch(definition, columns)
  }

  /// Schemas in the order in which a name without one is looked up; the session's temporary one comes first.
  var searchedSchemas: [String] {
    let places = catalog.places(nil)
    if places.contains("pg_catalog") { return places }
    guard let first = places.first, TemporarySchema.isOne(first), facts.searchPath.first != TemporarySchema.alias else {
      return ["pg_catalog"] + places
    }
    return [first, "pg_catalog"] + places.dropFirst()
  }
  /// Whether a schema is that of another session's temporary objects.
  func isOthers(_ schema: String) -> Bool { TemporarySchema.isOne(schema) && schema != facts.temporarySchema }
  /// All schemas.
  var schemas: [SchemaEntry] { SchemaEntry.all + catalog.schemas.map { SchemaEntry(oid: ObjectNumbers.schema($0), name: $0) } }
  /// Whether names in a schema are found without it.
  func isSearched(_ namespace: Int64) -> Bool {
    searchedSchemas.contains { schema in schemas.contains { $0.name == schema && $0.oid == namespace } }
  }

  /// The rows of a relation; nil when nobody makes them, which is a defect.
  private func content(of definition: RelationDefinition) throws(TallyError) -> SystemRows? {
    if definition.schema == "information_schema" { return constraintViews(definition.name) ?? informationSchema(definition.name) }
    if let rows = constraintRows(definition.name) ?? catalogRows(definition.name) ?? serverRows(definition.name)
      ?? citusRows(definition.name)
    {
      return rows
    }
    if let rows = try tallyRows(definition) { return rows }
    if let rows = cronRows(definition) ?? planRows(definition) { return rows }
    return Self.empty.contains(definition.name) ? SystemRows.none : nil
  }

  /// Relations of PostgreSQL that are empty because nothing of their kind can exist here.
  static let empty: Set<String> = [
    // Nothing is built for an index, so nothing is counted.
    "pg_stat_user_indexes", "pg_stat_all_indexes", "pg_inherits", "pg_partitioned_table", "pg_opclass", "pg_opfamily", "pg_amop",
    "pg_amproc",
    // No statement makes these.
    "pg_enum", "pg_trigger", "pg_policy", "pg_policies", "pg_statistic_ext", "pg_publication", "pg_publication_rel",
    "pg_publication_namespace", "pg_publication_tables", "pg_auth_members", "pg_group", "pg_range",
    "pg_conversion", "pg_rewrite", "pg_rules", "pg_shdescription", "pg_event_trigger", "pg_foreign_data_wrapper",
    "pg_foreign_server", "pg_foreign_table", "pg_user_mapping", "pg_user_mappings", "pg_seclabel",
    "pg_shseclabel", "pg_default_acl", "pg_db_role_setting", "pg_subscription", "pg_init_privs", "pg_transform",
    "pg_shdepend",
    // Locks are the shards' own and none outlives a statement; replication is not PostgreSQL's.
    "pg_locks", "pg_prepared_xacts", "pg_stat_replication", "pg_replication_slots",
  ]
}
