// KeyLifetimes.swift — how long keys of batches are known: the one place for the times on which exactly once rests, and why they fit.
//
// Nothing depends on them for counting once: a shard tells "known", "forgotten" and "new" apart whatever they are (DedupTable, BatchIDTable).
// They fit when no key that a client may still use is taken for a forgotten one:
//
//   a name gives the same session for `namedProducer` after its first opening (coordinators' clock);
//   under a session, whether opened or found again, a client begins batches for `use` at most; it opens again at `renewal`;
//   so the last batch of a session comes at most `namedProducer` + `use` after the session was issued;
//   a shard keeps a session for `sessionRetention` of log time after its last batch there. What it forgets raises the bound below which
//   unknown sessions are expired, up to sessions issued `sessionRetention` ago: a day more than any of them may still be used.
//   That day is for clocks that differ and for tries that go on.
//
// Ids carry their time (UUIDv7): `idPast` and `idFuture` around log time are accepted; a shard keeps them for as long, by the hour.
// Log time never falls and gains at most an hour a minute (ShardStore+Log), so clocks that jump make errors, never duplicates.

/// Lifetimes, in microseconds.
public enum KeyLifetimes {
  static let hour: Int64 = 3_600_000_000
  static let day: Int64 = 24 * hour
  /// The same name gives the same session.
  public static let namedProducer = 7 * day
  /// How long the coordinators remember that a name was used, to say so.
  public static let nameMemory = 400 * day
  /// How long a client begins batches under a session that it opened.
  public static let use = day
  /// When it opens it again.
  public static let renewal = 12 * hour
  /// How long a shard keeps a session after its last batch, in log time.
  public static let sessionRetention = namedProducer + use + day
  /// How far an id's time may lie behind log time.
  public static let idPast = day
  /// How far it may lie ahead.
  public static let idFuture: Int64 = 600_000_000
  /// Keys are forgotten by such steps.
  public static let step = hour
}
