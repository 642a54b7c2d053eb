//! The errors of the engine itself. What becomes of one invocation is an [`Outcome`](crate::Outcome) instead.

use crate::inspect::Refused;

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine could not start: {message}")]
pub struct EngineError {
    /// What wasmtime said, with its causes.
    pub message: String,
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self { message: format!("{error:#}") }
    }
}

/// A component was refused at deploy.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are no WebAssembly at all.
    #[error("not a WebAssembly component: {0}; build with `--target wasm32-wasip2`")]
    NotWasm(String),
    /// A core module instead of a component.
    #[error("this is a core WebAssembly module, not a component; build with `--target wasm32-wasip2`")]
    CoreModule,
    /// More bytes than the operator allows.
    #[error("the component has {bytes} bytes, {limit} are allowed (server limit `component`)")]
    TooLarge {
        /// The component's size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More of something than a compiler should be given.
    #[error("the component has {found} {what}, {limit} are allowed; leave out what it does not need, or split it")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many, as far as it was counted.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The component does not answer HTTP.
    #[error(
        "the component exports no `wasi:http/incoming-handler@0.2` and no `wasi:http/handler@0.3` (it exports: {}); \
         export the `wasi:http/proxy` world, for instance with `modelet_sdk::handler!`",
        if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") }
    )]
    NoHandler {
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// The component answers by `wasi:http` 0.3, and this server does not serve that.
    #[error(
        "the component is built for `wasi:http/service@0.3`, which this server does not serve: the host's side of it is experimental and gets no security fixes between releases. \
         Build it for `wasi:http/proxy@0.2`, or have the operator set `wasi_http_03 = true` under [server]"
    )]
    NotServed,
    /// Imports that no host here offers.
    #[error("the component needs what is not offered: {}", list(.0))]
    Imports(Vec<Refused>),
    /// wasmtime found the bytes invalid or could not compile them.
    #[error("the component does not compile: {0}")]
    Invalid(String),
}

/// Compiled code could not be turned into a function.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The code is not there, or its bytes are not what was recorded.
    #[error("the compiled code cannot be used: {0}")]
    Unreadable(String),
    /// There was no usable code, and it could not be compiled again.
    #[error("the component could not be compiled again: {0}")]
    Remake(String),
    /// The code was made by another engine version or other settings: compile again.
    #[error("the compiled code does not fit this engine: {0}")]
    Stale(String),
    /// The component's imports and exports do not fit what the host links.
    #[error("the component does not link: {0}")]
    Link(String),
    /// The component needs more than an instance may have, before it ran at all.
    #[error("the component needs more than its limits allow: {0}")]
    Limits(String),
    /// The load panicked, or the server is stopping.
    #[error("loading ended early")]
    Cancelled,
    /// Others are being loaded, or this takes longer than its caller waits.
    #[error("the component is not in memory yet")]
    NotYet,
}

/// A function could not be kept warm.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScaleError {
    /// More than could be busy at a time.
    #[error(
        "{min} instances are more than the function's limit of {concurrency} at a time: ask for at most {concurrency}, or raise `concurrency` under [limits] in function.toml"
    )]
    OverConcurrency {
        /// What was asked for.
        min: u32,
        /// The function's limit.
        concurrency: u32,
    },
    /// Others would find no room.
    #[error(
        "{min} instances kept warm would make {sum} of all functions together, and at most {limit} may be: half of the server's limit `instances_total`; the other half is for whoever else is called"
    )]
    OverTotal {
        /// What was asked for.
        min: u32,
        /// What all functions would have.
        sum: u64,
        /// What they may have.
        limit: u64,
    },
    /// The component could not be brought into memory.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An instance could not be made. The text is for the operator.
    #[error("an instance could not be made: {0}")]
    Instance(String),
}

fn list(refused: &[Refused]) -> String {
    refused.iter().map(|r| format!("`{}` ({})", r.import, r.why)).collect::<Vec<_>>().join(", ")
}
