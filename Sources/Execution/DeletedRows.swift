// DeletedRows.swift — which rows of a table a DELETE names: its condition over the rows of one shard, evaluated once, by the primary.
import Columns
public import Model
public import Planning
public import Storage

/// Evaluates deletions.
public enum DeletedRows {
  /// The rows up to `through` that a scan would deliver, those of the statement's own parts too. CPU work: run it through Compute.
  public static func name(_ scan: ScanNode, _ rows: NamedRows, through: LogPosition) throws(TallyError) -> RowChange {
    try typed {
      try rows.seen().change(columns: scan.storedColumns, through: through, where: scan.zoneConditions.compactMap(\.predicate)) { batch in
        guard let filter = scan.filter else { return nil }
        return try ExpressionEvaluation.matching(filter, batch)
      }
    }
  }
}
