// Edges.swift — the design's list of modules and what each may import; Package.swift and every source file must agree.

/// Module → modules it may import (besides the toolchain's Swift and Synchronization). Sorted only for reading.
let allowedImports: [String: Set<String>] = [
  "Bytes": ["CShims", "CLZ4"],
  "Capabilities": ["Bytes"],
  "Model": ["Bytes"],
  "Columns": ["Model", "Bytes"],
  "Aggregates": ["Columns", "Model", "Bytes"],
  "SQL": ["Model", "CPgQuery", "Glibc"],
  "Wire": ["Columns", "Model", "Bytes"],
  "RPC": ["Wire", "Capabilities", "Model", "Bytes"],
  "Planning": ["SQL", "Aggregates", "Columns", "Model", "Bytes", "Glibc"],
  "Storage": ["Aggregates", "Capabilities", "Columns", "Model", "Bytes"],
  "Execution": ["Planning", "Storage", "Aggregates", "Columns", "Model", "Bytes"],
  "Consensus": ["Wire", "Model", "Bytes"],
  "Replication": ["Model", "Bytes"],
  "ClientCore": ["RPC", "Wire", "Capabilities", "Columns", "Model", "Bytes", "CZlib", "CShims"],
  "WorkerNode": [
    "Execution", "Replication", "ClientCore", "RPC", "Wire", "Planning", "Storage", "Aggregates", "Capabilities",
    "Columns", "Model", "Bytes",
  ],
  "CoordinatorNode": [
    "Execution", "Consensus", "ClientCore", "RPC", "Wire", "Planning", "SQL", "Aggregates", "Capabilities", "Columns",
    "Model", "Bytes", "Storage",
  ],
  "PostgresWire": [
    "CoordinatorNode", "Planning", "SQL", "Wire", "Aggregates", "Capabilities", "Columns", "Model", "Bytes", "COpenSSL",
  ],
  "NodeRuntime": ["Capabilities", "Model", "Bytes", "CUV", "CShims", "Logging", "Glibc"],
  "Simulation": [
    "WorkerNode", "CoordinatorNode", "ClientCore", "Capabilities", "Columns", "Model", "Bytes", "CShims", "Glibc",
    "RPC", "Wire", "Storage", "Aggregates", "Execution", "SQL",
  ],
  "TallyClient": [
    "ClientCore", "NodeRuntime", "Wire", "Capabilities", "Columns", "Aggregates", "Model", "Bytes", "RPC",
  ],
  "SQLShell": [],
  "ReplicationModel": [],
]

/// Modules that may touch the machine: clocks, files, sockets, threads, unstructured tasks.
let machineModules: Set<String> = ["NodeRuntime"]
/// Modules that may start tasks of their own: the runtime, the simulator's driver and the client's outermost layer.
let taskModules: Set<String> = ["NodeRuntime", "Simulation", "TallyClient"]
