// UVLoopTests.swift — everything a flow does stays on the loop's thread; sleeps, cancellation and stopping.
import Capabilities
import NodeRuntime
import Testing

private actor Tally {
  let loop: UVLoop
  var total = 0
  var strays = 0
  init(_ loop: UVLoop) { self.loop = loop }
  func add(_ count: Int) {
    total += count
    if !loop.isCurrent { strays += 1 }
  }
  func addLater(_ count: Int, _ clock: SystemClock) async throws {
    try await clock.sleep(for: .milliseconds(1))
    add(count)
  }
}

struct UVLoopTests {
  @Test func defaultActorsStayOnTheLoop() async throws {
    try await onLoop { loop in
      let tally = Tally(loop)
      await withTaskGroup(of: Void.self) { group in
        for index in 0..<100 {
          group.addTask {
            #expect(loop.isCurrent)
            await tally.add(index)
            #expect(loop.isCurrent)
          }
        }
      }
      try await tally.addLater(50, SystemClock(loop))
      #expect(await tally.total == 5000)
      #expect(await tally.strays == 0)
    }
  }

  @Test func childTasksPromisesAndQueuesStayOnTheLoop() async throws {
    try await onLoop { loop in
      let promise = Promise<Int>()
      let queue = BoundedQueue<Int>(capacity: 4)
      async let waited = promise.value
      async let sum: Int = {
        var sum = 0
        while let element = try await queue.receive() {
          sum += element
          #expect(loop.isCurrent)
        }
        return sum
      }()
      for element in 0..<100 {
        try await queue.send(element)
        #expect(loop.isCurrent)
      }
      queue.finish()
      promise.fulfil(7)
      #expect(try await waited == 7)
      #expect(loop.isCurrent)
      #expect(try await sum == 4950)
      #expect(loop.isCurrent)
      await withDiscardingTaskGroup { group in
        for _ in 0..<10 {
          group.addTask {
            await Task.yield()
            #expect(loop.isCurrent)
          }
        }
      }
    }
  }

  @Test func computeRunsElsewhereAndComesBack() async throws {
    let pool = ComputePool(width: 2)
    defer { pool.stop() }
    try await onLoop { loop in
      for _ in 0..<20 {
        let wasOnLoop = await pool.run { loop.isCurrent }
        #expect(!wasOnLoop)
        #expect(loop.isCurrent)
      }
      await #expect(throws: DeadlineExceeded.self) {
        try await pool.attempt { throw DeadlineExceeded() }
      }
    }
  }

  @Test func computeRunsInParallel() async throws {
    let pool = ComputePool(width: 2)
    defer { pool.stop() }
    try await onLoop { loop in
      // Each half waits for the other: only parallel threads get through.
      let left = Rendezvous()
      let right = Rendezvous()
      async let first: Void = pool.run {
        left.arrive()
        right.wait()
      }
      async let second: Void = pool.run {
        right.arrive()
        left.wait()
      }
      _ = await (first, second)
    }
  }

  @Test func deadlinesRaceWorkOnTheLoop() async throws {
    try await onLoop { loop in
      let clock = SystemClock(loop)
      let start = clock.now
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(clock.now + .milliseconds(20), clock) {
          try await clock.sleep(for: .seconds(100))
        }
      }
      #expect(clock.now - start >= .milliseconds(20))
      #expect(clock.now - start < .seconds(20))
      #expect(loop.isCurrent)
      let quick = try await withDeadline(clock.now + .seconds(100), clock) { 5 }
      #expect(quick == 5)
      #expect(loop.isCurrent)
    }
  }

  @Test func sleepsEndInOrderAndNeverEarly() async throws {
    try await onLoop { loop in
      let clock = SystemClock(loop)
      let order = BoundedQueue<Int>(capacity: 16)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for step in [5, 1, 4, 2, 3] {
          let deadline = clock.now + .milliseconds(step * 10)
          group.addTask {
            try await clock.sleep(until: deadline)
            #expect(clock.now >= deadline)
            try await order.send(step)
          }
        }
        try await group.waitForAll()
      }
      order.finish()
      var seen: [Int] = []
      while let step = try await order.receive() { seen.append(step) }
      #expect(seen == [1, 2, 3, 4, 5])
    }
  }

  @Test func sleepIsCancelledFromAnotherThread() async throws {
    let loop = UVLoop()
    defer { loop.stop() }
    let clock = SystemClock(loop)
    for round in 0..<50 {
      let sleeper = Task { try await clock.sleep(for: .seconds(1000)) }
      if round % 2 == 0 { await Task.yield() }
      sleeper.cancel()
      await #expect(throws: CancellationError.self) { try await sleeper.value }
    }
    let onLoop = Task(executorPreference: loop) { try await clock.sleep(for: .seconds(1000)) }
    onLoop.cancel()
    await #expect(throws: CancellationError.self) { try await onLoop.value }
  }

  @Test func alarmsGoOffOnTheirLoopAndNeverEarly() async throws {
    let loop = UVLoop()
    let clock = SystemClock(loop)
    for round in 0..<50 {
      let deadline = clock.now + .milliseconds(round % 3)
      var alarm: (any Alarm)?
      await withCheckedContinuation { continuation in
        alarm = clock.alarm(at: deadline) {
          #expect(clock.now >= deadline && loop.isCurrent)
          continuation.resume()
        }
      }
      // It has gone off: nothing is taken back.
      alarm?.cancel()
    }
    let late = clock.alarm(at: clock.now + .seconds(1000)) { Issue.record("the loop has ended") }
    loop.stop()
    late.cancel()
    clock.alarm(at: clock.now) { Issue.record("the loop has ended") }.cancel()
  }

  @Test func alarmsThatWereTakenBackDoNotGoOff() async throws {
    try await onLoop { loop in
      let clock = SystemClock(loop)
      let taken = (0..<50).map { clock.alarm(at: clock.now + .milliseconds($0 % 5)) { Issue.record("it was taken back") } }
      // Nothing awaits before this, so the loop could not see a deadline.
      for alarm in taken + taken { alarm.cancel() }
      try await clock.sleep(for: .milliseconds(50))
    }
  }

  @Test func manyCancelledSleepsLeaveTheLiveOnes() async throws {
    try await onLoop { loop in
      let clock = SystemClock(loop)
      async let live: Void = clock.sleep(for: .milliseconds(30))
      for _ in 0..<2000 {
        _ = try await withDeadline(clock.now + .seconds(1000), clock) { 1 }
      }
      try await live
    }
  }

  @Test func blockingRunReturnsValuesAndErrors() throws {
    let loop = UVLoop()
    #expect(try loop.runBlocking { loop.isCurrent })
    #expect(throws: CancellationError.self) { try loop.runBlocking { throw CancellationError() } }
    loop.stop()
    loop.stop()
  }

  @Test func stoppingFailsWhatWaits() async throws {
    let loop = UVLoop()
    let clock = SystemClock(loop)
    let network = TCPNetwork(loop)
    let listener = try await network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    let sleeping = Task(executorPreference: loop) { try await clock.sleep(for: .seconds(1000)) }
    let accepting = Task(executorPreference: loop) { _ = try await listener.accept() }
    _ = try await loop.run { try await clock.sleep(for: .milliseconds(5)) }
    loop.stop()
    await #expect(throws: CancellationError.self) { try await sleeping.value }
    await #expect(throws: NetworkFailure.self) { try await accepting.value }
    await #expect(throws: NetworkFailure.self) {
      try await network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    }
  }

  @Test func callersFromManyThreadsAreAllServed() async throws {
    let loop = UVLoop()
    defer { loop.stop() }
    let tally = Tally(loop)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<500 { try await loop.run { await tally.add(1) } }
        }
      }
      try await group.waitForAll()
    }
    #expect(await tally.total == 4000)
  }
}
