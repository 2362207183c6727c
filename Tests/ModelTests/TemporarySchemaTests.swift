// TemporarySchemaTests.swift — names of temporary schemas, and where names of relations are looked up.
import Model
import Testing

@Suite struct TemporarySchemaTests {
  @Test func namesTellWhoseTheyAre() {
    let schema = TemporarySchema(member: .max, start: 1_796_000_000_123_456, number: 42)
    #expect(TemporarySchema(schema.name) == schema)
    #expect(schema.name.utf8.count <= Limits.nameBytesMax)
    #expect(TemporarySchema(TemporarySchema(member: .max, start: .max, number: .max).name)?.number == .max)
    for other in ["public", "pg_temp", "pg_temp_3", "pg_temp_1_2", "pg_temp_1_2_x", "pg_temp_1_2_3_4", "pg_toast_temp_1_2_3"] {
      #expect(TemporarySchema(other) == nil)
    }
  }

  @Test func theSessionsOwnComesFirstAndOthersAreNotFound() {
    let (own, other) = (TemporarySchema(member: 1, start: 2, number: 3).name, TemporarySchema(member: 1, start: 2, number: 4).name)
    var catalog = CatalogSnapshot(cluster: ClusterID(high: 1, low: 2))
    (catalog.searchPath, catalog.temporarySchema) = (["a", "public"], own)
    // Before it has one.
    #expect(catalog.places(nil) == ["a", "public"])
    #expect(catalog.places("pg_temp").isEmpty)
    catalog.schemas = [own, other].sorted()
    #expect(catalog.places(nil) == [own, "a", "public"])
    #expect(catalog.places("a") == ["a"])
    #expect(catalog.places("pg_temp") == [own])
    #expect(catalog.places(own) == [own])
    #expect(catalog.places(other).isEmpty)
    catalog.searchPath = ["public", "pg_temp"]
    #expect(catalog.places(nil) == ["public", own])
    // Who has no session finds neither.
    catalog.temporarySchema = nil
    #expect(catalog.places(nil) == ["public", "pg_temp"])
    #expect(catalog.places(own).isEmpty)
  }
}
