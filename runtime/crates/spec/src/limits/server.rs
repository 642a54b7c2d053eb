//! What the operator allows: the ceilings of every function, and the totals of the process.

use crate::size::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The operator's ceilings. A function that wishes for more gets this much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerLimits {
    /// All memory of one instance, what the host holds for it included. Default 1 GiB: the slot that the pooling allocator reserves
    /// (address space, not RAM).
    pub memory: ByteSize,
    /// Elements of all tables of one instance. Default 20,000: wasmtime's own for a pooled table; large C++ guests use about 10,000.
    pub table_elements: u64,
    /// Wall-clock time of one invocation. Default 5 min.
    #[serde(with = "crate::span")]
    pub time: Duration,
    /// Time that a guest may compute in one invocation. Default 60 s.
    #[serde(with = "crate::span")]
    pub cpu: Duration,
    /// A request's body. Default 64 MiB.
    pub request_body: ByteSize,
    /// An answer's body. Default 256 MiB.
    pub response_body: ByteSize,
    /// Invocations of one function at a time. Default 1,024.
    pub concurrency: u32,
    /// Invocations of all functions of one tenant at a time; as many wait. Default 2,048, as many as the server has: one tenant is alone
    /// until there are others.
    pub concurrency_tenant: u32,
    /// Invocations of one function that wait for a permit. Default 4,096.
    pub queue: u32,
    /// Header fields of one message, names and values. Default 64 KiB: nginx and Node allow 16 to 32, wasmtime 128.
    pub header_bytes: ByteSize,
    /// What one host call may bring out of a guest. Default 128 MiB, wasmtime's own; a tensor passes in one call, so
    /// [`Self::tensor_bytes`] above this does nothing for a single tensor.
    pub hostcall_bytes: ByteSize,
    /// Handles (tensors, graphs, streams …) that one instance holds at a time. Default 10,000.
    pub resources: u32,
    /// Random bytes asked for in one call. Default 1 MiB; a call for more is a trap.
    pub random_bytes: ByteSize,
    /// Log of one invocation, with 32 bytes more for each line; the rest is dropped and counted. Default 256 KiB.
    pub log_bytes: ByteSize,
    /// Tensors that the host holds for one instance. Default 512 MiB.
    pub tensor_bytes: ByteSize,
    /// Open connections of the data plane. Default 10,000: below it, a process with the usual 20,000 descriptors has room.
    pub connections: u32,
    /// Invocations of all functions at a time. Default 2,048.
    pub concurrency_total: u32,
    /// Instances of all functions, busy and warm: slots of the pooling allocator. Default 1,000, wasmtime's own total.
    pub instances_total: u32,
    /// Components in memory and their warm instances, of all functions: the code, and the memory that the instances have. What
    /// was used longest ago goes first; what is kept warm on purpose does not count. Default 2 GiB.
    pub warm_memory: ByteSize,
    /// A component (.wasm) at deploy. Default 64 MiB: Python guests have about 40.
    pub component_bytes: ByteSize,
    /// A model at push. Default 2 GiB: what one protobuf message can hold.
    pub model_bytes: ByteSize,
    /// The models that one tenant keeps, and what it has uploaded for the next ones; each counted in full, whoever else has
    /// the same. Default 50 GiB.
    pub tenant_model_bytes: ByteSize,
    /// The memory of all models together: weights, inputs and outputs in ONNX Runtime's one arena. Default 4 GiB.
    pub inference_memory: ByteSize,
    /// Address space of the process that tries a model at push. Default 8 GiB: four times the largest file.
    pub trial_memory: ByteSize,
    /// Processor time of one trial; whole seconds. Default 2 min: a model of 2 GiB loads in half of one.
    #[serde(with = "crate::span")]
    pub trial_cpu: Duration,
    /// Wall-clock time of one trial. Default 5 min.
    #[serde(with = "crate::span")]
    pub trial_time: Duration,
    /// Address space of the process that compiles a component at deploy. Default 8 GiB.
    pub compile_memory: ByteSize,
    /// Processor time of one compilation; whole seconds. A quarter of it is for the component's `init`, if it has one. Default
    /// 2 min: guests with a JavaScript or Python engine in them take some 20 s.
    #[serde(with = "crate::span")]
    pub compile_cpu: Duration,
    /// Wall-clock time of one compilation. Default 5 min.
    #[serde(with = "crate::span")]
    pub compile_time: Duration,
    /// Wall-clock time of loading one session of a model that stood its trial. Default 2 min.
    #[serde(with = "crate::span")]
    pub load_time: Duration,
    /// Keys that all functions of one tenant keep by `wasi:keyvalue`. Default 100,000.
    pub keyvalue_keys: u64,
    /// Bytes of the keys and values that all functions of one tenant keep. Default 64 MiB.
    pub keyvalue_bytes: ByteSize,
    /// One value. Default 1 MiB: what is larger is a file, not a value.
    pub keyvalue_value: ByteSize,
    /// Secrets that one tenant keeps. Default 100.
    pub secrets: u32,
    /// One secret. Default 64 KiB: a private key has 4, a bundle of certificates 20.
    pub secret_bytes: ByteSize,
    /// Connections out of one function at a time. Default 64.
    pub outbound_function: u32,
    /// Connections out of all functions of one tenant at a time. Default 256.
    pub outbound_tenant: u32,
    /// Connections out of all functions at a time. Default 1,024: a descriptor each, beside those of [`Self::connections`].
    pub outbound_total: u32,
    /// Requests that one invocation sends, one after the other or at a time. Default 1,000.
    pub outbound_calls: u32,
    /// The body of an answer to a function's own request. Default 64 MiB.
    pub outbound_response: ByteSize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(1024),
            table_elements: 20_000,
            time: Duration::from_secs(300),
            cpu: Duration::from_secs(60),
            request_body: ByteSize::mib(64),
            response_body: ByteSize::mib(256),
            concurrency: 1024,
            concurrency_tenant: 2048,
            queue: 4096,
            header_bytes: ByteSize::kib(64),
            hostcall_bytes: ByteSize::mib(128),
            resources: 10_000,
            random_bytes: ByteSize::mib(1),
            log_bytes: ByteSize::kib(256),
            tensor_bytes: ByteSize::mib(512),
            connections: 10_000,
            concurrency_total: 2048,
            instances_total: 1000,
            warm_memory: ByteSize::mib(2048),
            component_bytes: ByteSize::mib(64),
            model_bytes: ByteSize::mib(2048),
            tenant_model_bytes: ByteSize::mib(50 << 10),
            inference_memory: ByteSize::mib(4096),
            trial_memory: ByteSize::mib(8192),
            trial_cpu: Duration::from_secs(120),
            trial_time: Duration::from_secs(300),
            compile_memory: ByteSize::mib(8192),
            compile_cpu: Duration::from_secs(120),
            compile_time: Duration::from_secs(300),
            load_time: Duration::from_secs(120),
            keyvalue_keys: 100_000,
            keyvalue_bytes: ByteSize::mib(64),
            keyvalue_value: ByteSize::mib(1),
            secrets: 100,
            secret_bytes: ByteSize::kib(64),
            outbound_function: 64,
            outbound_tenant: 256,
            outbound_total: 1024,
            outbound_calls: 1000,
            outbound_response: ByteSize::mib(64),
        }
    }
}
