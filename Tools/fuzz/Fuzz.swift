// Fuzz.swift — the libFuzzer entry (built by Tools/fuzz/run with -DFUZZING), and otherwise a program that runs files through targets.
//
// FUZZ_TARGET names the target; "list" prints all. Without libFuzzer: `fuzz TARGET FILE…` replays findings.
import Foundation

#if FUZZING
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
  _ argc: UnsafeMutablePointer<Int32>,
  _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

nonisolated(unsafe) private var chosen: ([UInt8]) -> Void = { _ in }

/// What libFuzzer's linker rename of `main` calls.
@_cdecl("fuzz_main")
public func fuzzMain(
  _ argc: Int32,
  _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
  let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? "list"
  guard let target = targets.first(where: { $0.name == name }) else {
    for target in targets { print("target: \(target.name)") }
    return name == "list" ? 0 : 64
  }
  chosen = target.run
  var count = argc
  var vector = argv
  return withUnsafeMutablePointer(to: &vector) { vector in
    runFuzzer(&count, vector) { bytes, count in
      chosen(Array(UnsafeBufferPointer(start: bytes, count: count)))
      return 0
    }
  }
}
#else
@main struct Fuzz {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let name = arguments.first, let target = targets.first(where: { $0.name == name }) else {
      for target in targets { print("target: \(target.name)") }
      return
    }
    for path in arguments.dropFirst() {
      target.run([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      print("\(path): survived")
    }
  }
}
#endif
