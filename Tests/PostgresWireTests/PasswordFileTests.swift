// Files of passwords: what a line may be, and that a file that cannot be understood changes nothing.

import Bytes
import Capabilities
import Model
import Synchronization
import Testing

@testable import PostgresWire

private final class PlayedFile: WatchedFiles {
  let text: Mutex<String>
  let reads = Mutex(0)
  init(_ text: String) { self.text = Mutex(text) }
  func version() throws(TallyError) -> [Int64] { [Int64(text.withLock { $0.hashValue })] }
  func read() throws(TallyError) -> [[UInt8]] {
    reads.withLock { $0 += 1 }
    return [Array(text.withLock { $0 }.utf8)]
  }
}

private let line =
  "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

@Test func passwordFilesHoldUsersAndComments() throws {
  let users = try PasswordFile.parse(Array("# people\n\napp:\(line)\r\nAda B:\(line)\n".utf8))
  #expect(users.keys.sorted() == ["Ada B", "app"] && users["app"]?.text == line)
  for (text, what) in [
    ("app:secret", "line 1 of the password file is not of the form"), ("\n:\(line)", "line 2"),
    ("a:\(line)\na:\(line)", "line 2 of the password file names a user again"),
    ("app", "line 1"),
  ] {
    let error = #expect(throws: TallyError.self) { try PasswordFile.parse(Array(text.utf8)) }
    #expect(error?.message.hasPrefix(what) == true)
  }
  #expect(throws: TallyError.self) { try PasswordFile.parse([0xff, 0x3a]) }
}

@Test func passwordFilesAreReadAgainWhenTheyChange() async throws {
  let file = PlayedFile("app:\(line)\n")
  let log = CountingLog()
  let passwords = try PasswordFile(file, log: log)
  func isKnown(_ user: String) async -> Bool {
    if case .scram = await passwords.rule(user: user, peer: "127.0.0.1:1") { true } else { false }
  }
  #expect(await isKnown("app"))
  #expect(await !isKnown("ada"))
  #expect(file.reads.withLock { $0 } == 1)
  file.text.withLock { $0 += "ada:\(line)\n" }
  #expect(await isKnown("ada"))
  // One that cannot be understood is told once and changes nothing.
  file.text.withLock { $0 += "nonsense\n" }
  for _ in 0..<3 { #expect(await isKnown("ada")) }
  #expect(log.count("passwords-not-reloaded") == 1)
  file.text.withLock { $0 = "ada:\(line)\n" }
  #expect(await !isKnown("app"))
  #expect(throws: TallyError.self) { try PasswordFile(PlayedFile("nonsense"), log: log) }
}
