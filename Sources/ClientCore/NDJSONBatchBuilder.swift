// NDJSONBatchBuilder.swift — a chunk of JSON lines becomes one batch of typed columns for each shard it has rows for.
//
// The lines are read into COPY's text form, a record a line, and that by CSVBatchBuilder. Lines that are no object, and fields that no
// column has, are faults as wrong values are.
import Bytes
public import Model

/// Builds batches from chunks of lines; keeps its memory from one chunk to the next.
///
/// Not for sharing between tasks.
public struct NDJSONBatchBuilder: ~Copyable {
  private var lines: NDJSONLines
  private var csv: CSVBatchBuilder

  /// Makes a builder for a plan.
  public init(_ plan: NDJSONPlan) {
    lines = NDJSONLines(plan)
    csv = CSVBatchBuilder(plan.inner)
  }
  /// Reads a chunk of whole lines, the first of which is line `firstLine`. Wrong rows are left out and told.
  public mutating func build(_ bytes: [UInt8], firstLine: Int = 1) throws(TallyError) -> CSVBuilt {
    var result = CSVBuilt(parts: [], rows: 0, rejects: [])
    var (at, line) = (0, 0)
    repeat {
      var built: Result<CSVBuilt, TallyError>?
      bytes.withUnsafeBytes { raw in
        lines.read(raw, from: &at, &line)
        do throws(TallyError) { built = .success(try csv.build(lines.output, firstLine: 0)) } catch { built = .failure(error) }
      }
      guard let built else { fatalError("withUnsafeBytes did not call its body") }
      add(try built.get(), of: bytes, firstLine, to: &result)
    } while at < bytes.count
    // By shard, in order within each: the sort is stable.
    result.parts.sort { $0.shard < $1.shard }
    return result
  }
  private func add(_ built: CSVBuilt, of bytes: [UInt8], _ firstLine: Int, to result: inout CSVBuilt) {
    var rejects = built.rejects
    // Faults of the text form are told of the lines that it was made of.
    for at in rejects.indices {
      let record = lines.records[rejects[at].line]
      rejects[at].place(on: firstLine + record.line)
      rejects[at].record = Array(bytes[record.range])
    }
    for fault in lines.faults {
      var reject = CSVReject(line: 0, column: fault.column, error: fault.error, record: Array(bytes[fault.record.range]))
      reject.place(on: firstLine + fault.record.line)
      rejects.append(reject)
    }
    if !lines.faults.isEmpty { rejects.sort { $0.line < $1.line } }
    result.parts += built.parts
    result.rows += built.rows
    result.rejects += rejects
  }
}

extension CSVReject {
  fileprivate mutating func place(on line: Int) {
    self.line = line
    error.detail = "line \(line)" + (column.map { ", column \($0)" } ?? "")
  }
}
