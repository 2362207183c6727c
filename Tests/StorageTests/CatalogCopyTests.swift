// What a worker keeps of the coordinators' state, to the byte.
import Bytes
import Model
import Simulation
import Testing

@testable import Storage

struct CatalogCopyTests {
  private let record = CatalogCopyRecord(generation: 2, index: 300, term: 4, state: [7, 8, 9])

  @Test func bytesStayAsTheyAreAndDamageIsNoticed() async throws {
    var out = ByteWriter()
    out.bytes([0x54, 0x43, 0x50, 0x59, 1, 0, 0, 0])
    for number in [testCluster.high, testCluster.low, 2, 300, 4, 3] { out.u64(number) }
    out.bytes([7, 8, 9])
    out.u32(out.withBytes { CRC32C.checksum($0) })
    let bytes = out.finish()
    #expect(CatalogCopyFile.encode(testCluster, record) == bytes)
    #expect(try CatalogCopyFile.decode(bytes).record == record)
    for at in bytes.indices {
      var broken = bytes
      broken[at] ^= 1
      #expect(throws: DecodingFailure.self) { try CatalogCopyFile.decode(broken) }
      #expect(throws: DecodingFailure.self) { try CatalogCopyFile.decode(Array(bytes[..<at])) }
    }
    let disk = SimulatedDisk(seed: 1)
    #expect(try await CatalogCopyFile.read(cluster: testCluster, disk: disk) == nil)
    try await disk.createDirectory("meta")
    try await CatalogCopyFile.write(record, cluster: testCluster, disk: disk)
    #expect(try await CatalogCopyFile.read(cluster: testCluster, disk: disk) == record)
    await #expect(throws: TallyError.self) { try await CatalogCopyFile.read(cluster: ClusterID(high: 1, low: 1), disk: disk) }
    #expect(record.snapshot == nil)
  }
  @Test func onlyALaterOneTakesItsPlace() {
    func made(_ generation: UInt64, _ index: UInt64) -> CatalogCopyRecord {
      CatalogCopyRecord(generation: generation, index: index, term: 9, state: [])
    }
    #expect(record.isNewer(than: nil) && made(2, 301).isNewer(than: record) && made(3, 1).isNewer(than: record))
    #expect(!made(2, 300).isNewer(than: record) && !made(1, 900).isNewer(than: record))
  }
}
