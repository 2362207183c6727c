// SizeFunctions.swift — bytes of relations and of the database.
//
// What ShardFigures cannot tell is NULL; Citus's functions refuse it by name.
import Model
import Planning

extension SystemRelations {
  func sizeFunctions(_ name: String) -> [HostedFunction] {
    func size(_ figure: @escaping @Sendable (RelationRecord) -> Int64?) -> [HostedFunction] {
      [HostedFunction(name, [.regclass], .bigint) { .optional(self.index[oid: $0.number(0)].flatMap(figure)) }]
    }
    func stated(_ figure: @escaping @Sendable (RelationRecord) -> Int64?) -> [HostedFunction] {
      [
        HostedFunction(name, [.regclass], .bigint) { (arguments) throws(TallyError) in
          guard let entry = self.index[oid: arguments.number(0)] else {
            throw .sql("42P01", "could not compute table size: relation does not exist")
          }
          if let bytes = figure(entry) { return .fixed(bytes) }
          throw .sql(
            "55000",
            "the size of \"\(entry.name)\" is not known",
            detail: "Not all of its shards have reported to this coordinator.",
            hint: "Ask the coordinator that leads."
          )
        }
      ]
    }
    switch name {
    case "pg_relation_size":
      return size { self.bytes(of: $0) } + [
        HostedFunction(name, [.regclass, .text], .bigint) { (arguments) throws(TallyError) in
          switch arguments.text(1) {
          case "main": return .optional(self.index[oid: arguments.number(0)].flatMap { self.bytes(of: $0) })
          case "fsm", "vm", "init": return .optional(self.index[oid: arguments.number(0)].map { _ in 0 })
          default:
            throw .sql("22023", "invalid fork name", hint: "Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".")
          }
        }
      ]
    case "pg_table_size": return size { self.bytes(of: $0) }
    case "pg_indexes_size": return size { _ in 0 }
    case "pg_total_relation_size": return size { self.totalBytes(of: $0) }
    case "pg_database_size":
      return [
        HostedFunction(name, [.name], .bigint) { (arguments) throws(TallyError) in
          guard arguments.text(0) == self.facts.database else {
            throw .sql("3D000", "database \"\(arguments.text(0))\" does not exist")
          }
          return .optional(self.databaseBytes)
        },
        HostedFunction(name, [.oid], .bigint) { $0.number(0) == ObjectNumbers.database ? .optional(self.databaseBytes) : .null },
      ]
    case "pg_size_pretty":
      return [
        HostedFunction(name, [.bigint], .text) { .text(SizeText.pretty($0.number(0))) },
        HostedFunction(name, [.plainNumeric], .text) { (arguments) throws(TallyError) in
          guard case .numeric(let bytes) = arguments[0] else { return .null }
          return .text(try SizeText.pretty(bytes))
        },
      ]
    case "pg_size_bytes":
      return [
        HostedFunction(name, [.text], .bigint) { (arguments) throws(TallyError) in .fixed(try SizeText.bytes(arguments.text(0))) }
      ]
    case "citus_table_size", "citus_relation_size": return stated { self.bytes(of: $0) }
    case "citus_total_relation_size": return stated { self.totalBytes(of: $0) }
    default: return []
    }
  }
}
