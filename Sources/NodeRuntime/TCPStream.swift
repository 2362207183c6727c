// TCPStream.swift — one libuv TCP socket: reading on demand, batched writing, bounded queues.
//
// Reading: at most one chunk (256 KiB) waits for its reader; then reading pauses and TCP itself slows the peer down.
// Writing: sends queue pieces; at the end of a loop turn the queue goes out by uv_try_write (small pieces gathered into
// one buffer, large ones straight from their array); what the kernel does not take becomes one uv_write in flight.
// Senders suspend while more than 1 MiB is queued. All methods belong to the loop's thread.
internal import Bytes
internal import CUV
internal import Capabilities
internal import Glibc

/// A connected socket. The libuv handle keeps it alive until it is closed.
final class TCPStream: LoopResource, @unchecked Sendable {
  // Safe: touched by the loop's thread only, but for the constants.
  /// A send that waits for room.
  private struct Sender {
    var bytes: [UInt8]
    var waiter: Waiter<Void>
  }
  static let queueLimit = 1 << 20
  private static let largePiece = 32 << 10
  private static let writesPerFlush = 8

  let loop: UVLoop
  let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
  private var isClosed = false
  private var isConnected = false

  private var received: [UInt8]?
  private var isAtEnd = false
  private var isReading = false
  private var reader: Waiter<[UInt8]>?

  private var pieces: [[UInt8]] = []
  private var head = 0
  private var offset = 0
  /// Bytes accepted by `send` and not yet taken by the kernel.
  private(set) var queued = 0
  private var isWriting = false
  private var isDirty = false
  private var senders: [Sender] = []

  /// Makes an unconnected socket.
  init(_ loop: UVLoop) {
    self.loop = loop
    require(uv_tcp_init(loop.handles.loop, tcp), "uv_tcp_init")
    tcp.pointee.data = Unmanaged.passRetained(self).toOpaque()
    loop.adopt(self)
  }
  deinit { tcp.deallocate() }

  private static func of(_ context: UnsafeMutableRawPointer?) -> TCPStream {
    guard let context else { fatalError("a socket handle without its stream") }
    return Unmanaged<TCPStream>.fromOpaque(context).takeUnretainedValue()
  }
  var stream: UnsafeMutablePointer<uv_stream_t> {
    UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
  }

  /// Called once the socket is connected.
  func begin() {
    isConnected = true
    // Both only tune the connection: a failure here shows as a failed read or write right after.
    _ = uv_tcp_nodelay(tcp, 1)
    _ = uv_tcp_keepalive(tcp, 1, 60)
    startReading()
  }
  /// The other end as `host:port`.
  func peerName() -> String {
    var address = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &address) { bytes in
      let generic = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
      return uv_tcp_getpeername(tcp, generic, &length) < 0
        ? "unknown" : "\(numericAddress(UnsafeRawPointer(generic)))"
    }
  }

  // MARK: Reading

  /// Takes what has arrived, without waiting.
  func takeReceived() throws -> [UInt8]? {
    if let bytes = received {
      received = nil
      startReading()
      return bytes
    }
    if isAtEnd && !isClosed { return [] }
    if isClosed { throw NetworkFailure(.closed, "the connection is closed") }
    return nil
  }
  /// Hands the next bytes to `waiter`.
  func receive(_ waiter: Waiter<[UInt8]>) {
    do {
      if let bytes = try takeReceived() { return waiter.settle(.success(bytes)) }
    } catch {
      return waiter.settle(.failure(error))
    }
    invariant(reader == nil, "two tasks receive from one connection")
    reader = waiter
  }
  /// Gives up waiting.
  func cancelReceive(_ waiter: Waiter<[UInt8]>) {
    if reader === waiter { reader = nil }
    waiter.settle(.failure(CancellationError()))
  }
  private func startReading() {
    if isReading || isClosed || isAtEnd || !isConnected { return }
    let code = uv_read_start(
      stream,
      { handle, _, buffer in
        let scratch = TCPStream.of(handle?.pointee.data).loop.scratch
        buffer?.pointee = uv_buf_init(
          scratch.baseAddress?.assumingMemoryBound(to: CChar.self),
          UInt32(scratch.count)
        )
      },
      { handle, count, _ in TCPStream.of(handle?.pointee.data).arrived(count) }
    )
    if code < 0 { return fail(code, "uv_read_start") }
    isReading = true
  }
  private func stopReading() {
    if !isReading { return }
    isReading = false
    require(uv_read_stop(stream), "uv_read_stop")
  }
  private func arrived(_ count: Int) {
    if count == 0 { return }  // EAGAIN
    if count == Int(UV_EOF.rawValue) {
      isAtEnd = true
      stopReading()
      deliver([])
    } else if count < 0 {
      fail(Int32(count), "read")
    } else {
      deliver([UInt8](UnsafeRawBufferPointer(rebasing: loop.scratch[..<count])))
    }
  }
  private func deliver(_ bytes: [UInt8]) {
    if let waiter = reader {
      reader = nil
      waiter.settle(.success(bytes))
    } else if !bytes.isEmpty {
      received = bytes
      stopReading()
    }
  }

  // MARK: Writing

  /// Queues bytes when there is room, without waiting.
  func trySend(_ bytes: [UInt8]) throws -> Bool {
    if isClosed { throw NetworkFailure(.closed, "the connection is closed") }
    guard queued <= Self.queueLimit, senders.isEmpty else { return false }
    append(bytes)
    return true
  }
  /// Queues bytes, now or when there is room.
  func send(_ bytes: [UInt8], _ waiter: Waiter<Void>) {
    do {
      if try trySend(bytes) {
        waiter.settle(.success(()))
      } else {
        senders.append(Sender(bytes: bytes, waiter: waiter))
      }
    } catch {
      waiter.settle(.failure(error))
    }
  }
  /// Gives up waiting; the bytes of this send are not queued.
  func cancelSend(_ waiter: Waiter<Void>) {
    senders.removeAll { $0.waiter === waiter }
    waiter.settle(.failure(CancellationError()))
  }
  private func append(_ bytes: [UInt8]) {
    if bytes.isEmpty { return }
    pieces.append(bytes)
    queued += bytes.count
    markDirty()
  }
  private func markDirty() {
    if isDirty || isWriting || isClosed { return }
    isDirty = true
    loop.markDirty(self)
  }
  /// Hands queued bytes to the kernel; at the end of a loop turn.
  func flush() {
    isDirty = false
    var writes = 0
    while !isWriting && !isClosed && head < pieces.count {
      if writes == Self.writesPerFlush { return markDirty() }
      writes += 1
      let (offered, taken) = tryWrite()
      if taken < 0 && taken != Int(UV_EAGAIN.rawValue) { return fail(Int32(taken), "write") }
      if taken > 0 { written(taken) }
      if taken < offered && !isClosed { writeRest() }
    }
  }
  /// One uv_try_write of the front of the queue.
  private func tryWrite() -> (offered: Int, taken: Int) {
    if pieces[head].count - offset >= Self.largePiece {
      return pieces[head].withUnsafeBytes { piece in
        let rest = UnsafeRawBufferPointer(rebasing: piece[offset...])
        return (rest.count, tryWrite(rest))
      }
    }
    let gathered = UnsafeRawBufferPointer(rebasing: loop.scratch[..<gather(into: loop.scratch)])
    return (gathered.count, tryWrite(gathered))
  }
  private func tryWrite(_ bytes: UnsafeRawBufferPointer) -> Int {
    var buffer = uv_buf_init(
      UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: CChar.self)),
      UInt32(bytes.count)
    )
    return Int(uv_try_write(stream, &buffer, 1))
  }
  /// Copies the front of the queue, as much as fits; the queue stays as it is.
  private func gather(into target: UnsafeMutableRawBufferPointer) -> Int {
    var (index, from, filled) = (head, offset, 0)
    while index < pieces.count && filled < target.count {
      let count = min(pieces[index].count - from, target.count - filled)
      pieces[index].withUnsafeBytes { piece in
        UnsafeMutableRawBufferPointer(rebasing: target[filled...]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: piece[from..<from + count])
        )
      }
      filled += count
      (index, from) = (index + 1, 0)
    }
    return filled
  }
  /// Drops bytes from the front of the queue.
  private func advance(_ count: Int) {
    var rest = count
    while rest > 0 {
      let step = min(rest, pieces[head].count - offset)
      rest -= step
      offset += step
      if offset == pieces[head].count {
        pieces[head] = []
        (head, offset) = (head + 1, 0)
      }
    }
    if head == pieces.count {
      pieces.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024 {
      pieces.removeFirst(head)
      head = 0
    }
  }
  private func written(_ count: Int) {
    advance(count)
    release(count)
  }
  /// Gives room back and lets waiting senders in.
  private func release(_ count: Int) {
    queued -= count
    while queued <= Self.queueLimit, let first = senders.first {
      senders.removeFirst()
      append(first.bytes)
      first.waiter.settle(.success(()))
    }
  }
  /// The kernel's buffer is full: one block of the queue waits in libuv for room.
  private func writeRest() {
    let block = WriteBlock(capacity: min(queued, 256 << 10), self)
    let count = gather(into: block.memory)
    isWriting = true
    var buffer = uv_buf_init(
      block.memory.baseAddress?.assumingMemoryBound(to: CChar.self),
      UInt32(count)
    )
    block.count = count
    block.request.pointee.data = Unmanaged.passRetained(block).toOpaque()
    let code = uv_write(block.request, stream, &buffer, 1) { request, status in
      guard let context = request?.pointee.data else { fatalError("a write without its block") }
      let block = Unmanaged<WriteBlock>.fromOpaque(context).takeRetainedValue()
      block.stream.wrote(block.count, status)
    }
    if code < 0 {
      Unmanaged.passUnretained(block).release()
      isWriting = false
      return fail(code, "uv_write")
    }
    advance(count)
  }
  private func wrote(_ count: Int, _ status: Int32) {
    isWriting = false
    if isClosed { return }
    if status < 0 { return fail(status, "write") }
    release(count)
    if head < pieces.count { markDirty() }
  }

  // MARK: Ending

  /// Ends the connection; what the kernel takes at once still goes out.
  func close() {
    if isClosed { return }
    if isConnected && !isWriting { flush() }
    end(NetworkFailure(.closed, "the connection was closed"))
  }
  func shutDown() { end(NetworkFailure(.closed, "the loop stopped")) }
  private func fail(_ code: Int32, _ call: String) {
    end(NetworkFailure(.closed, "\(call): \(describe(code))"))
  }
  private func end(_ failure: NetworkFailure) {
    if isClosed { return }
    isClosed = true
    isReading = false
    loop.disown(self)
    uv_close(base(tcp)) { handle in
      guard let context = handle?.pointee.data else {
        fatalError("a socket handle without its stream")
      }
      Unmanaged<TCPStream>.fromOpaque(context).release()
    }
    let (waiting, receiving) = (senders, reader)
    (senders, reader, received) = ([], nil, nil)
    (pieces, head, offset, queued) = ([], 0, 0, 0)
    receiving?.settle(.failure(failure))
    for sender in waiting { sender.waiter.settle(.failure(failure)) }
  }
}

/// Bytes of one uv_write, alive until its callback.
private final class WriteBlock {
  let memory: UnsafeMutableRawBufferPointer
  let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
  let stream: TCPStream
  var count = 0
  init(capacity: Int, _ stream: TCPStream) {
    memory = .allocate(byteCount: capacity, alignment: 64)
    self.stream = stream
  }
  deinit {
    memory.deallocate()
    request.deallocate()
  }
}
