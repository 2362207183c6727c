// RPCOptions.swift — the settings of both ends, with defaults that need no change.

import Wire

/// When bodies are packed by LZ4.
public enum PackingPolicy: Sendable {
  /// Not between processes of one machine, where it costs more than it saves.
  case overNetworks
  case always
  case never
}

/// Settings of connections.
public struct RPCOptions: Sendable {
  /// When bodies are packed.
  public var packing: PackingPolicy = .overNetworks
  /// Versions offered and accepted.
  public var versions: ClosedRange<UInt16> = FrameFormat.versions
  /// Longest time to connect, and to exchange hellos.
  public var connectTimeout: Duration = .seconds(3)
  /// A client pings after so long a silence.
  public var keepAlive: Duration = .seconds(5)
  /// A client gives a connection up after so long a silence; a server after four times that.
  public var silenceLimit: Duration = .seconds(15)
  /// While requests wait for answers a client looks, and pings, this often: a node that is stopped or cut off must not hold them.
  public var busyKeepAlive: Duration = .milliseconds(500)
  /// A client whose requests wait gives the connection up after so long a silence, and the time that `slowestLink` takes for what it sent.
  public var busySilenceLimit: Duration = .milliseconds(2500)
  /// Bytes a second below which a link counts as broken.
  public var slowestLink = 128 << 10
  /// First pause after a failed connection; doubles up to `backOffMax`, with jitter.
  public var backOffMin: Duration = .milliseconds(20)
  /// Longest pause.
  public var backOffMax: Duration = .seconds(1)
  /// Connections a server takes.
  public var connectionsMax = 4096
  /// Bytes of request bodies a server holds at once, over all connections; more is answered `overloaded`.
  public var requestBytesMax = 256 << 20
  /// The defaults.
  public init() {}
}
