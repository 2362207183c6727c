// TenantMessages.swift — deleting a tenant: what a user asks a coordinator, and what that asks workers (Storage/TenantDeletion).
public import Bytes
public import Model

/// Asks a coordinator to delete a tenant and for the receipt, or for the receipt alone.
///
/// Answered as a list is: part, name, state, detail.
/// Bytes: u8 deletes (0, 1) · optional string relation · string tenant.
public struct TenantRequest: MessageContent {
  /// False: only the receipt of the last deletion.
  public var deletes: Bool
  /// A table of the tenant's group; nil where there is one group only.
  public var relation: String?
  /// The tenant key as text.
  public var tenant: String
  /// Makes a request.
  public init(deletes: Bool, relation: String?, tenant: String) {
    self.deletes = deletes
    self.relation = relation
    self.tenant = tenant
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.bool(deletes)
    out.optional(relation)
    out.string(tenant)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> TenantRequest {
    TenantRequest(
      deletes: try reader.bool(),
      relation: try reader.optional(max: Limits.nameBytesMax),
      tenant: try reader.string(max: Limits.textBytesMax)
    )
  }
}

/// Asks a shard's primary to delete a tenant; repeated until it is answered.
///
/// Bytes: shard · epoch · version · number · Value tenant.
public struct EraseTenant: MessageContent {
  /// The tenant's shard.
  public var shard: ShardID
  /// Its epoch.
  public var epoch: Epoch
  /// Catalog version that the worker must have.
  public var version: CatalogVersion
  /// Which deletion, in the cluster; a shard hears of them in rising order.
  public var number: UInt64
  /// Whom.
  public var tenant: Tenant
  /// Makes a request.
  public init(shard: ShardID, epoch: Epoch, version: CatalogVersion, number: UInt64, tenant: Tenant) {
    self.shard = shard
    self.epoch = epoch
    self.version = version
    self.number = number
    self.tenant = tenant
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(version)
    out.varint(number)
    tenant.encode(into: &out)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> EraseTenant {
    EraseTenant(
      shard: try reader.id(),
      epoch: try reader.id(),
      version: try reader.id(),
      number: try reader.varint(),
      tenant: try Tenant.decode(from: &reader)
    )
  }
}

/// The tenant's rows at or below a position are invisible on every copy in sync.
///
/// Bytes: position · signed varint log time · list of relation, rows.
public struct TenantErased: MessageContent {
  /// Rows of a relation.
  public struct Part: Sendable, Equatable {
    /// Raw table, or a rollup's level.
    public var relation: TableID
    /// Rows or states that were hidden.
    public var rows: UInt64
    /// Makes a part.
    public init(relation: TableID, rows: UInt64) {
      self.relation = relation
      self.rows = rows
    }
  }
  /// Of the entry; 0: it is so long ago that the shard has forgotten.
  public var position: LogPosition
  /// Of the entry, microseconds since 1970.
  public var logTime: Int64
  /// By rising relation.
  public var parts: [Part]
  /// Makes an answer.
  public init(position: LogPosition, logTime: Int64, parts: [Part]) {
    self.position = position
    self.logTime = logTime
    self.parts = parts
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(position)
    out.signedVarint(logTime)
    out.count(parts.count)
    for part in parts {
      out.id(part.relation)
      out.varint(part.rows)
    }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> TenantErased {
    TenantErased(
      position: try reader.id(),
      logTime: try reader.signedVarint(),
      parts: try reader.list(max: shardListMax, "relations of a tenant") { reader throws(DecodingFailure) in
        Part(relation: try reader.id(), rows: try reader.varint())
      }
    )
  }
}

/// Asks a copy of a shard how far it is with erasing a tenant.
///
/// Bytes: shard · number · position.
public struct DescribeErasure: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// Which deletion.
  public var number: UInt64
  /// Of its entry.
  public var position: LogPosition
  /// Makes a request.
  public init(shard: ShardID, number: UInt64, position: LogPosition) {
    self.shard = shard
    self.number = number
    self.position = position
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.varint(number)
    out.id(position)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> DescribeErasure {
    DescribeErasure(shard: try reader.id(), number: try reader.varint(), position: try reader.id())
  }
}

/// How far a copy is.
///
/// Bytes: applied · named · left · u8 erased (0, 1) · u8 journal released (0, 1).
public struct ErasureReport: MessageContent {
  /// Up to where it has applied the log: the tenant is invisible when that is not below the deletion.
  public var applied: LogPosition
  /// Sections of files that held rows of the tenant.
  public var named: UInt64
  /// Those that are still there.
  public var left: UInt64
  /// No file that it reads holds a row of the tenant.
  public var isErased: Bool
  /// Nor does its journal.
  public var isJournalReleased: Bool
  /// Makes a report.
  public init(applied: LogPosition, named: UInt64, left: UInt64, isErased: Bool, isJournalReleased: Bool) {
    self.applied = applied
    self.named = named
    self.left = left
    self.isErased = isErased
    self.isJournalReleased = isJournalReleased
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(applied)
    out.varint(named)
    out.varint(left)
    out.bool(isErased)
    out.bool(isJournalReleased)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ErasureReport {
    ErasureReport(
      applied: try reader.id(),
      named: try reader.varint(),
      left: try reader.varint(),
      isErased: try reader.bool(),
      isJournalReleased: try reader.bool()
    )
  }
}
