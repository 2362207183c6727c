@main struct Program {
  static func main() { print("not built yet") }
}
