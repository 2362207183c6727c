// What a connection URL may look like, and what is said about one that cannot be used.
import Capabilities
import Model
import TallyClient
import Testing

struct ConnectionURLTests {
  @Test func aURLNamesItsCoordinators() throws {
    let url = try ConnectionURL("tally://127.0.0.1:7400,localhost:7401,[::1]:7402/tally")
    #expect(
      url.coordinators.map(\.description) == ["127.0.0.1:7400", "localhost:7401", "[::1]:7402"]
    )
    #expect(url.database == "tally")
    #expect(
      try ConnectionURL("tally://127.0.0.1:7400").description == "tally://127.0.0.1:7400/tally"
    )
  }
  @Test(arguments: [
    ("postgres://127.0.0.1:5432/tally", "08001", "does not begin with tally://"),
    ("tally:///tally", "08001", "no host"),
    ("tally://127.0.0.1/tally", "08001", "is not host:port"),
    ("tally://127.0.0.1:99999/tally", "08001", "is not host:port"),
    ("tally://127.0.0.1:0/tally", "08001", "port 0"),
    ("tally://127.0.0.1:1,,127.0.0.1:2/tally", "08001", "an empty host"),
    ("tally://me:secret@127.0.0.1:1/tally", "08001", "not supported yet"),
    ("tally://::1:7400/tally", "08001", "brackets"),
    ("tally://127.0.0.1:1/other", "3D000", "\"other\" does not exist"),
    ("tally://127.0.0.1:1/tally?x=1", "08001", "parameters"),
  ])
  func aMalformedURLSaysWhatIsWrong(text: String, sqlState: String, reason: String) {
    do throws(TallyError) {
      _ = try ConnectionURL(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect(error.sqlState == sqlState && error.message.contains(reason), "\(error)")
    }
  }
}
