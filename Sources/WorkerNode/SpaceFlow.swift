// SpaceFlow.swift — looks after the room on the volume: what is refused while there is little, and the reserve (Storage/DiskSpace).
//
// A full disk ends nothing. Rows are refused long before; what still comes (commits, deltas, layouts) fits into the journal file prepared
// ahead. When the next one cannot be prepared, this worker gives up the reserve, takes no entries of other primaries (they take it out of
// their in-sync sets) and asks to lead no more. With room again everything goes on by itself.
import Capabilities
import Model
import Storage

extension Worker {
  /// Pause between two looks at the volume.
  static let spaceInterval = Duration.milliseconds(200)
  /// The same while the volume has far more room than it needs.
  static let amplePause = Duration.seconds(1)

  /// Looks after the room until cancelled.
  func keepSpace() async throws {
    while true {
      var isAmple = false
      do { isAmple = try await lookAfterSpace() } catch let failure as DiskFailure where failure.kind == .full || failure.kind == .io {
        surroundings.log.warning("space-unknown", ("reason", "\(failure)"))
      }
      try await surroundings.clock.sleep(for: isAmple ? Self.amplePause : Self.spaceInterval)
    }
  }
  /// Makes what room there is known, and makes or gives up the reserve; true when it will not be short within seconds.
  private func lookAfterSpace() async throws -> Bool {
    let disk = surroundings.disk
    let facts = try await disk.volume()
    freeBytes = facts.freeBytes
    let floor = DiskSpace.floor(of: facts, wanted: settings.diskFloor)
    let found = journal.isStarved ? DiskSpace.full : DiskSpace(facts, floor: floor)
    if found != space {
      surroundings.log.record(
        found == .ample ? .info : .error,
        found == .ample ? "disk-has-room" : "disk-full",
        [("state", "\(found)"), ("free", String(facts.freeBytes)), ("floor", String(floor))]
      )
      space = found
    }
    let wanted = settings.reserveBytes ?? DiskReserve.bytes(of: facts)
    if found == .full || lacksRoom {
      if try await DiskReserve.release(disk: disk) { surroundings.log.warning("reserve-released") }
      lacksRoom = false
      journal.tryAgain()
    } else if found == .ample, facts.freeBytes >= floor + wanted, try await DiskReserve.held(disk: disk) < wanted {
      _ = try await DiskReserve.release(disk: disk)
      try await DiskReserve.make(disk: disk, bytes: wanted)
    }
    return found == .ample && facts.freeBytes / 2 > floor
  }
  /// Refuses new rows while there is little room.
  func requireRoom() throws(TallyError) {
    if space == .ample { return }
    throw TallyError(
      .diskFull,
      "the disk of \(settings.name) is nearly full",
      hint: "make room on its volume or add a worker; the rows can be sent again",
      node: settings.name
    )
  }
}
