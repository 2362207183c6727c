// swift-tools-version: 6.2
import PackageDescription

// Every edge between modules stands here and nowhere else; Tools/tidy compares it with its own list.
let plainSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
let settings = plainSettings + [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

func module(_ name: String, path: String? = nil, flags: [String] = [], _ dependencies: Target.Dependency...) -> Target {
  .target(
    name: name,
    dependencies: dependencies,
    path: path,
    swiftSettings: flags.isEmpty ? settings : settings + [.unsafeFlags(flags, .when(configuration: .release))]
  )
}
func program(
  _ name: String,
  path: String? = nil,
  exclude: [String] = [],
  _ dependencies: Target.Dependency...
) -> Target {
  .executableTarget(
    name: name,
    dependencies: dependencies + [arguments],
    path: path,
    exclude: exclude,
    swiftSettings: settings
  )
}
func tests(_ name: String, exclude: [String] = [], _ dependencies: Target.Dependency...) -> Target {
  .testTarget(
    name: name,
    dependencies: dependencies,
    exclude: exclude,
    swiftSettings: settings
  )
}
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
  name: "tally",
  products: [
    .library(name: "TallyClient", targets: ["TallyClient"]),
    .executable(name: "tally", targets: ["tally"]),
    .executable(name: "tally-coordinator", targets: ["tally-coordinator"]),
    .executable(name: "tally-worker", targets: ["tally-worker"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
  ],
  targets: [
    .systemLibrary(name: "CUV", providers: [.apt(["libuv1-dev"])]),
    .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CPgQuery", providers: [.apt(["libpg-query-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
    .target(name: "CShims"),
    module("Bytes", "CShims", "CLZ4"),
    module("Capabilities", "Bytes"),
    module("Model", "Bytes"),
    module("Columns", "Model", "Bytes"),
    module("Aggregates", "Columns", "Model", "Bytes"),
    module("SQL", "Model", "CPgQuery"),
    module("Wire", "Columns", "Model", "Bytes"),
    module("RPC", "Wire", "Capabilities", "Model", "Bytes"),
    module("Planning", "SQL", "Aggregates", "Columns", "Model", "Bytes"),
    module("Storage", "Aggregates", "Capabilities", "Columns", "Model", "Bytes"),
    module("Execution", "Planning", "Storage", "Aggregates", "Columns", "Model", "Bytes"),
    module("Consensus", "Wire", "Model", "Bytes"),
    module("Replication", "Model", "Bytes"),
    module("ClientCore", "RPC", "Wire", "Capabilities", "Columns", "Model", "Bytes", "CZlib"),
    module(
      "WorkerNode",
      "Execution",
      "Replication",
      "ClientCore",
      "RPC",
      "Wire",
      "Planning",
      "Storage",
      "Aggregates",
      "Capabilities",
      "Columns",
      "Model",
      "Bytes"
    ),
    module(
      "CoordinatorNode",
      "Execution",
      "Consensus",
      "ClientCore",
      "RPC",
      "Wire",
      "Planning",
      "SQL",
      "Storage",
      "Aggregates",
      "Capabilities",
      "Columns",
      "Model",
      "Bytes"
    ),
    module(
      "PostgresWire",
      "CoordinatorNode",
      "Planning",
      "SQL",
      "Wire",
      "Aggregates",
      "Capabilities",
      "Columns",
      "Model",
      "Bytes",
      "COpenSSL"
    ),
    module("NodeRuntime", "Capabilities", "Model", "Bytes", "CUV", "CShims", logging),
    module(
      "Simulation",
      // All of it is one thread's; debug builds check that nothing is used twice at once.
      flags: ["-enforce-exclusivity=unchecked"],
      "WorkerNode",
      "CoordinatorNode",
      "Execution",
      "ClientCore",
      "RPC",
      "Wire",
      "Storage",
      "Aggregates",
      "SQL",
      "Capabilities",
      "Columns",
      "Model",
      "Bytes",
      "CShims"
    ),
    // Parameter packs crash the optimizer across modules (6.3.1); nothing in here is hot.
    .target(
      name: "TallyClient",
      dependencies: [
        "ClientCore", "NodeRuntime", "RPC", "Wire", "Capabilities", "Columns", "Aggregates", "Model", "Bytes",
      ],
      swiftSettings: plainSettings
    ),
    module("Launcher", path: "Cluster/Launcher", "TallyClient", "Model"),
    program("tally-coordinator", "PostgresWire", "CoordinatorNode", "NodeRuntime", "Capabilities", "Model"),
    program("tally-worker", "WorkerNode", "NodeRuntime"),
    module("SQLShell"),
    program(
      "tally",
      "TallyClient",
      "SQLShell",
      "Launcher",
      "PostgresWire",
      "Storage",
      "Consensus",
      "NodeRuntime",
      "Capabilities",
      "Model",
      "Bytes"
    ),
    program("client-example", path: "Cluster/example", "TallyClient"),
    program("bench", path: "Tools/bench", "TallyClient", "Launcher"),
    program("chaos", path: "Tools/chaos", "TallyClient", "Launcher", "Wire", "Bytes"),
    program("simulate", path: "Tools/simulate", exclude: ["run"], "Simulation"),
    program("differential", path: "Tools/differential", exclude: ["Recorded"], "Simulation", "Model", "CZlib"),
    program("inspect", path: "Tools/inspect", "Storage", "NodeRuntime", "Capabilities", "Model", "Bytes"),
    program(
      "fuzz",
      path: "Tools/fuzz",
      exclude: ["run"],
      "PostgresWire",
      "CoordinatorNode",
      "Planning",
      "Storage",
      "Wire",
      "ClientCore",
      "Consensus",
      "SQL",
      "Aggregates",
      "Columns",
      "Model",
      "Capabilities",
      "Bytes"
    ),
    program("planted", path: "Tools/planted", "Bytes"),
    program("tidy", path: "Tools/tidy", exclude: ["LongFiles.txt"]),
    module("ReplicationModel", path: "Tools/model/ReplicationModel"),
    program("model", path: "Tools/model", exclude: ["ReplicationModel"], "ReplicationModel"),
    tests("BytesTests", "Bytes"),
    .testTarget(
      name: "ModelTests",
      dependencies: ["Model"],
      exclude: ["Fixtures"],
      swiftSettings: settings
    ),
    tests("ColumnsTests", "Columns"),
    tests("AggregatesTests", "Aggregates"),
    tests("SQLTests", "SQL"),
    tests("SQLShellTests", "SQLShell"),
    tests("WireTests", "Wire"),
    tests("RPCTests", "RPC", "Simulation", "NodeRuntime"),
    .testTarget(
      name: "PlanningTests",
      dependencies: ["Planning"],
      exclude: ["Fixtures"],
      swiftSettings: settings
    ),
    tests("PostgresWireTests", exclude: ["Fixtures"], "PostgresWire", "NodeRuntime", "Capabilities", "Columns", "Model", "Bytes"),
    tests("StorageTests", exclude: ["Golden"], "Storage", "Simulation"),
    tests("ExecutionTests", exclude: ["Fixtures"], "Execution", "Planning"),
    tests("ClientCoreTests", "ClientCore", "Simulation"),
    tests("NodeRuntimeTests", "NodeRuntime"),
    tests("ReplicationTests", "Replication"),
    tests(
      "SimulationTests",
      exclude: ["Scenarios", "SeedLedger.md"],
      "Simulation",
      "WorkerNode",
      "ClientCore",
      "Planning",
      "RPC",
      "Wire",
      "Model",
      "Capabilities",
      "Bytes"
    ),
    tests(
      "WorkerNodeTests",
      "WorkerNode",
      "Replication",
      "Storage",
      "Planning",
      "RPC",
      "Wire",
      "Columns",
      "Model",
      "Capabilities",
      "Bytes",
      "Simulation"
    ),
    tests("ConsensusTests", "Consensus", "Wire", "Model", "Bytes"),
    tests("CoordinatorNodeTests", exclude: ["Fixtures"], "CoordinatorNode", "Consensus", "Simulation", "PostgresWire"),
    tests("TallyClientTests", "TallyClient", "ClientCore", "NodeRuntime", "RPC", "Wire", "Capabilities"),
    tests("ModelCheckTests", "ReplicationModel", "Replication", "CoordinatorNode", "Model", "Bytes"),
    tests("ProcessTests", exclude: ["Postgres", "Citus"], "TallyClient", "Launcher", "Aggregates", "Columns", "Model"),
  ]
)
