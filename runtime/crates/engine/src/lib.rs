//! How a function runs: compile, link, keep instances, invoke, name the outcome.
//!
//! What it is not: it has never heard of a socket, a store or a catalog. What it needs from outside are the ports in
//! [`ports`]; what it hands out is an [`Outcome`], never a status code.
//!
//! Where to begin: [`Compiler`] and [`image()`] at deploy, [`Engine::function`] to get a [`Function`], [`Function::invoke`] for each
//! request. Inside, `invoke` → `pool` → `instance` → `run` → `response` is the way of one invocation, and `host/nn` is
//! where a guest meets a model. A function is in memory only while it is asked: `wake` brings it there, `keeper` and `ladder` let
//! it go.

mod admit;
mod call;
mod caps;
mod code;
mod compiler;
mod cpu;
mod engine;
mod error;
mod function;
mod guest;
mod handler;
mod host;
mod image;
mod inspect;
mod instance;
mod invoke;
mod keeper;
mod ladder;
mod lane;
mod limiter;
mod linked;
mod metrics;
mod outcome;
mod pool;
pub mod ports;
mod prepare;
mod rate;
mod request;
mod response;
mod run;
mod scale;
mod service;
mod settings;
mod shared;
mod spans;
mod state;
mod ticker;
mod wake;
mod warm;
mod world;

pub use admit::{AdmitError, Permit};
pub use compiler::Compiler;
pub use engine::{Compiled, Engine, EngineConfig, FunctionSpec};
pub use error::{CompileError, EngineError, LoadError, ScaleError};
pub use function::{Function, Warmth};
pub use image::{ImageLimits, NoImage, image};
pub use inspect::{Inspection, Refused};
pub use invoke::{Invocation, Told};
pub use metrics::EngineStats;
pub use outcome::{Ended, Fault, FaultKind, Outcome};
pub use request::{RequestBody, RequestBodyError, no_body, request_body};
pub use response::{ResponseBody, ResponseError};
pub use spans::Spans;
pub use world::World;
