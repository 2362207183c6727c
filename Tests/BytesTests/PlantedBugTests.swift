import Bytes
import Testing

#if !PLANTED_BUGS
/// A build without the flag has no way to activate one: the environment is not even read.
@Test func noBugIsPlantedInADefaultBuild() {
  #expect(PlantedBug.allCases.count >= 30)
  #expect(PlantedBug.allCases.allSatisfy { !isPlanted($0) })
}
#endif
