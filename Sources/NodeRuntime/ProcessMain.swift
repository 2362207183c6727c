// ProcessMain.swift — what a server process does around its flows: limits, signals, capabilities, and the way out.
//
// `main` makes one call to `run`. SIGTERM and SIGINT fulfil the stop promise; a second one ends the process at once.
internal import Bytes
internal import CShims
internal import CUV
public import Capabilities
internal import Glibc

/// The outermost layer of a server process.
public enum ProcessMain {
  /// Sets the allocator up for a process that will use about `memory` bytes, ignores SIGPIPE and raises the limit of open files to the
  /// hard limit.
  public static func prepare(memory: Int = 0) {
    tally_tune_allocator(max(0, memory))
    signal(SIGPIPE, SIG_IGN)
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    if getrlimit(files, &limit) == 0, limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      // Where raising is forbidden the soft limit stays; running out shows as refused connections.
      _ = setrlimit(files, &limit)
    }
  }

  /// Makes the promise that the first SIGTERM or SIGINT fulfils with its number; a second one ends the process.
  public static func stopRequested(on loop: UVLoop) -> Promise<Int32> {
    let promise = Promise<Int32>()
    let isRunning = loop.perform {
      for number in [SIGTERM, SIGINT] { SignalWatch(loop, promise).start(number) }
    }
    invariant(isRunning, "signals watched on a loop that was stopped")
    return promise
  }

  /// Runs a server: prepares the process, makes a loop and the surroundings, runs `body` on the loop until it returns,
  /// then stops everything. Returns the process's exit status: 0, or 1 when the body threw (which is logged).
  public static func run(
    node: String,
    directory: String,
    memory: Int = 0,
    minimum: EventLevel = .info,
    _ body: @escaping @Sendable (Surroundings, _ stop: Promise<Int32>) async throws -> Void
  ) -> Int32 {
    prepare(memory: memory)
    let log = LineLog(node: node, minimum: minimum)
    do {
      let loop = UVLoop()
      let runtime = try makeSurroundings(on: loop, directory: directory, log: log)
      defer {
        loop.stop()
        runtime.stop()
      }
      let stop = stopRequested(on: loop)
      let surroundings = runtime.surroundings
      try loop.runBlocking { try await body(surroundings, stop) }
      return 0
    } catch {
      log.error("stopped", ("reason", "\(error)"))
      return 1
    }
  }
}

/// The real capabilities of one process, and the threads behind them.
public struct RuntimeSurroundings: Sendable {
  /// What flows get.
  public let surroundings: Surroundings
  private let disk: PosixDisk
  private let compute: ComputePool
  fileprivate init(_ surroundings: Surroundings, _ disk: PosixDisk, _ compute: ComputePool) {
    self.surroundings = surroundings
    self.disk = disk
    self.compute = compute
  }
  /// Ends the threads of disk and compute; after the loop was stopped.
  public func stop() {
    disk.stop()
    compute.stop()
  }
}

/// Makes the real capabilities: sockets and timers on `loop`, files below `directory`, one compute thread per core.
public func makeSurroundings(
  on loop: UVLoop,
  directory: String,
  log: any EventLog,
  computeThreads: Int? = nil
) throws -> RuntimeSurroundings {
  let disk = try PosixDisk(root: directory)
  let compute = ComputePool(width: computeThreads)
  return RuntimeSurroundings(
    Surroundings(
      clock: SystemClock(loop),
      network: TCPNetwork(loop, log: log),
      disk: disk,
      random: SystemRandom(),
      compute: compute,
      log: log
    ),
    disk,
    compute
  )
}

/// One watched signal. Its libuv handle keeps it alive until the loop stops.
private final class SignalWatch: LoopResource, @unchecked Sendable {
  // Safe: touched by the loop's thread only.
  private let loop: UVLoop
  private let promise: Promise<Int32>
  private let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)

  init(_ loop: UVLoop, _ promise: Promise<Int32>) {
    self.loop = loop
    self.promise = promise
  }
  deinit { handle.deallocate() }
  func start(_ number: Int32) {
    require(uv_signal_init(loop.handles.loop, handle), "uv_signal_init")
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    loop.adopt(self)
    let code = uv_signal_start(
      handle,
      { handle, number in
        guard let context = handle?.pointee.data else {
          fatalError("a signal handle without its watch")
        }
        let watch = Unmanaged<SignalWatch>.fromOpaque(context).takeUnretainedValue()
        if watch.promise.isSettled { _exit(128 + number) }
        watch.promise.fulfil(number)
      },
      number
    )
    require(code, "uv_signal_start")
  }
  func shutDown() {
    loop.disown(self)
    uv_close(base(handle)) { handle in
      guard let context = handle?.pointee.data else {
        fatalError("a signal handle without its watch")
      }
      Unmanaged<SignalWatch>.fromOpaque(context).release()
    }
  }
}
