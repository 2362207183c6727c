// ConnectionURL.swift — where a cluster is: tally://host:port[,host:port…][/database].
//
// Hosts are numeric addresses or `localhost`; IPv6 stands in brackets. Every host is a coordinator of the same cluster.
public import Capabilities
public import Model

/// A parsed `tally://` URL.
public struct ConnectionURL: Sendable, Equatable, CustomStringConvertible {
  /// The coordinators, in the order written.
  public let coordinators: [NetworkAddress]
  /// The database; there is one, `tally`.
  public let database: String
  private static let form = "The form is tally://host:port[,host:port]/tally."

  /// Parses a URL; SQLSTATE 08001 with what is wrong.
  public init(_ text: String) throws(TallyError) {
    func refused(_ reason: String) -> TallyError {
      .sql("08001", "invalid connection URL \"\(text)\": \(reason)", hint: Self.form)
    }
    let scheme = "tally://"
    guard text.hasPrefix(scheme) else { throw refused("it does not begin with \(scheme)") }
    let rest = text.dropFirst(scheme.count)
    let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let hosts = parts[0]
    let database = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : "tally"
    guard !database.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" }) else {
      throw refused("parameters and further parts are not supported")
    }
    guard database == "tally" else {
      throw .sql(
        "3D000",
        "database \"\(database)\" does not exist",
        hint: "There is one database, \"tally\"."
      )
    }
    guard !hosts.isEmpty else { throw refused("no host") }
    guard !hosts.contains("@") else { throw refused("users and passwords are not supported yet") }
    var addresses: [NetworkAddress] = []
    for host in hosts.split(separator: ",", omittingEmptySubsequences: false) {
      guard !host.isEmpty else { throw refused("an empty host") }
      guard let address = NetworkAddress(String(host)) else {
        throw refused("\"\(host)\" is not host:port")
      }
      guard address.port != 0 else { throw refused("port 0 in \"\(host)\"") }
      let isBracketed = address.host.hasPrefix("[") && address.host.hasSuffix("]")
      guard isBracketed || !address.host.contains(":") else {
        throw refused("\"\(host)\": an IPv6 address stands in brackets")
      }
      if !addresses.contains(address) { addresses.append(address) }
    }
    coordinators = addresses
    self.database = database
  }
  /// The URL.
  public var description: String {
    "tally://" + coordinators.map(\.description).joined(separator: ",") + "/" + database
  }
}
