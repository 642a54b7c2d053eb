//! How a model runs: ONNX Runtime, opened once; models loaded into it; runs, each on one session at a time.
//!
//! It has never heard of Wasm, tenants or HTTP: of who asks it sees a `Flow` (weight, priority, deadline) and no more.
//!
//! Begin with [`Runtime::open`], [`Runtime::load`] and [`Model::run`]; a server's models are behind [`ModelHandle`]s, which
//! [`Residency`] loads and lets go of. A file is checked before ONNX Runtime sees it
//! ([`admission::admit`]). The way of a run is in `model.rs`: the inputs are
//! checked (`description.rs`), then it runs on the caller's thread if the model is quick (`inline.rs`, ended by
//! `watchdog.rs` if it is not), else it waits (`waiting.rs`) for a session (`pool.rs`, `sessions.rs`) and a thread (`worker.rs`); `threads.rs` says how many of both there are. Calls that wait are
//! joined if their rules allow it (`batch/`); what one run does for its callers is in `running.rs`. Under `onnx/` is
//! what talks to ONNX Runtime, and `onnx/ffi/` is the only unsafe code. [`optimize::optimize`] rewrites a file to a smaller one.
//!
//! Limits: one arena for all models' memory, a bounded queue per model with a fair part for each flow, bounded
//! sessions, a deadline per call, a limit per run.

pub mod admission;
mod batch;
mod buffer;
mod call;
mod counters;
mod description;
mod device;
mod element;
mod error;
mod facts;
mod footprint;
mod gauge;
mod inline;
#[cfg(test)]
mod left_on_device;
pub mod library;
mod load;
mod loaders;
mod meter;
mod metrics;
mod model;
mod model_file;
mod onnx;
mod optimised;
pub mod optimize;
mod options;
#[cfg(test)]
mod overhead;
pub mod placement;
mod platform;
mod pool;
mod priority;
mod recorded;
mod rejected;
mod residency;
mod running;
mod runtime;
mod sample;
mod sessions;
mod shape;
mod stop;
mod tensor;
mod threads;
mod trial;
mod tuning;
mod waiting;
mod warm_up;
mod watchdog;
mod worker;

pub use batch::{BatchTrial, Batchable, SizesSeen};
pub use buffer::AlignedBuf;
pub use description::{Description, Dim, Port};
pub use device::{AbsentDevice, Bind, DeviceSettings, DeviceUse, fix};
pub use element::ElementType;
pub use error::{LibraryError, LoadError, OpenError, RunError, TensorError};
pub use facts::{BatchVerdict, Facts, MemoryUse};
pub use footprint::Footprint;
pub use gauge::resident_bytes;
pub use library::LibrarySource;
pub use model::{Copies, Model};
pub use model_file::ModelFile;
pub use onnx::ffi::finish;
pub use optimised::OptimisedFile;
pub use options::ModelOptions;
pub use recorded::CallShape;
pub use residency::{
    DeviceStats, InUse, LoadContext, Loader, ModelAccount, ModelHandle, ModelKey, ModelTotals, ModelUse, Residency,
    ResidencyConfig, ResidencyStats, Unload,
};
pub use runtime::{Runtime, RuntimeConfig, RuntimeStats};
pub use sample::Inputs;
pub use shape::Shape;
pub use stop::LoadStop;
pub use tensor::{ByteOwner, Tensor};
pub use trial::{Trial, TrialError};
