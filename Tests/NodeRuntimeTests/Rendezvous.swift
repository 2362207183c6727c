// Rendezvous.swift — a point where plain threads wait for each other.
import Glibc
import Synchronization

/// Opens once; threads block until then.
final class Rendezvous: Sendable {
  private let isOpen = Atomic<Bool>(false)
  func arrive() { isOpen.store(true, ordering: .releasing) }
  func wait() { while !isOpen.load(ordering: .acquiring) { sched_yield() } }
}
