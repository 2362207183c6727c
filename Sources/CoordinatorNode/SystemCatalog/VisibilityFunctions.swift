// VisibilityFunctions.swift — whether an object is what its bare name finds: pg_…_is_visible. NULL for numbers of nothing.
import Model
import Planning

extension SystemRelations {
  func visibilityFunctions(_ name: String) -> [HostedFunction] {
    func visible(_ answer: @escaping @Sendable (Int64) -> Bool?) -> [HostedFunction] {
      [HostedFunction(name, [.oid], .boolean) { .truth(answer($0.number(0))) }]
    }
    switch name {
    case "pg_table_is_visible":
      return visible { oid in self.index[oid: oid].map { self.isVisible($0.name, $0.namespace) } }
    case "pg_type_is_visible":
      return visible { oid in PostgresTypes.all[oid: oid].map { self.isSearched($0.namespace) } }
    case "pg_function_is_visible":
      return visible { oid in PostgresFunctions.all[oid: oid].map { self.isSearched($0.namespace) } }
    case "pg_collation_is_visible":
      return visible { [ObjectNumbers.defaultCollation, ObjectNumbers.plainCollation].contains($0) ? true : nil }
    case "pg_operator_is_visible":
      return visible { oid in PostgresOperatorRecord.all.contains { $0.oid == oid } ? self.isSearched(ObjectNumbers.catalogSchema) : nil }
    case "pg_opclass_is_visible", "pg_opfamily_is_visible", "pg_conversion_is_visible",
      "pg_statistics_obj_is_visible", "pg_ts_config_is_visible", "pg_ts_dict_is_visible", "pg_ts_parser_is_visible",
      "pg_ts_template_is_visible":
      return visible { _ in nil }
    default: return []
    }
  }
}
