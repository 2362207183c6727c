// LoopHandles.swift — the libuv loop and the five handles every loop needs, with every return code checked.
//
// Handles are heap blocks at stable addresses. All calls belong to the loop's thread but for `open` and `wakeUp`.
internal import Bytes
internal import CUV

/// Traps when a libuv call that cannot fail in a sound program did.
func require(_ code: Int32, _ call: String) { invariant(code >= 0, "\(call): \(describe(code))") }

/// libuv's words for an error code.
func describe(_ code: Int32) -> String { String(cString: uv_strerror(code)) }

/// The same handle as its C base type.
func base<H>(_ handle: UnsafeMutablePointer<H>) -> UnsafeMutablePointer<uv_handle_t> {
  UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
}

/// A loop, its wake-up, its two hooks, its idle switch and its timer.
final class LoopHandles {
  let loop = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<uv_async_t>.allocate(capacity: 1)
  private let before = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
  private let after = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
  private let idle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)
  private let timer = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
  private var onTimer: uv_timer_cb?

  /// Initialises everything; `context` is found in each handle's `data`.
  func open(
    context: UnsafeMutableRawPointer,
    beforePoll: uv_prepare_cb,
    afterPoll: uv_check_cb,
    timer fire: @escaping uv_timer_cb
  ) {
    require(uv_loop_init(loop), "uv_loop_init")
    // Waking is all it does: the hook after the poll takes the mail.
    require(uv_async_init(loop, wake) { _ in }, "uv_async_init")
    require(uv_prepare_init(loop, before), "uv_prepare_init")
    require(uv_check_init(loop, after), "uv_check_init")
    require(uv_idle_init(loop, idle), "uv_idle_init")
    require(uv_timer_init(loop, timer), "uv_timer_init")
    for handle in [base(wake), base(before), base(after), base(idle), base(timer)] {
      handle.pointee.data = context
    }
    require(uv_prepare_start(before, beforePoll), "uv_prepare_start")
    require(uv_check_start(after, afterPoll), "uv_check_start")
    onTimer = fire
  }
  deinit {
    wake.deallocate()
    before.deallocate()
    after.deallocate()
    idle.deallocate()
    timer.deallocate()
    loop.deallocate()
  }
  /// Runs the loop until `stop`.
  func run() { uv_run(loop, UV_RUN_DEFAULT) }
  /// Makes `run` return after this turn.
  func stop() { uv_stop(loop) }
  /// Makes a blocked poll return; from any thread.
  func wakeUp() { require(uv_async_send(wake), "uv_async_send") }
  /// While idling the poll does not block.
  func setIdling(_ isIdling: Bool) {
    require(isIdling ? uv_idle_start(idle) { _ in } : uv_idle_stop(idle), "uv_idle_start")
  }
  /// Fires the timer once after `milliseconds`.
  func startTimer(milliseconds: UInt64) {
    uv_update_time(loop)
    require(uv_timer_start(timer, onTimer, milliseconds, 0), "uv_timer_start")
  }
  /// Closes all handles of the loop and the loop itself.
  func close() {
    uv_walk(
      loop,
      { handle, _ in
        if uv_is_closing(handle) == 0 { uv_close(handle, nil) }
      },
      nil
    )
    uv_run(loop, UV_RUN_DEFAULT)
    require(uv_loop_close(loop), "uv_loop_close")
  }
}
