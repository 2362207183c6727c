// Bench.swift — `bench`: measures.
@main struct Program {
  static func main() { print("not built yet") }
}
