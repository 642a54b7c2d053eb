//! Compiling a component in a process as `child` starts them, so that no bytes of a client's meet a compiler in the server.
//!
//! What the process is told is in `job.rs`, what it does in `process.rs`: it compiles, and where the component has an `init`
//! it runs that and compiles the result, too. One at a time over the whole server (`run.rs`). Its death is a refusal that says why (`death.rs`). What became of an `init` is kept
//! with each version (`image.rs`).

mod death;
mod image;
mod job;
mod process;
mod run;

pub(crate) use death::reason;
pub(crate) use image::{FirstRequests, Image};
pub use job::{CompileAnswer, CompileJob, Compiled, ImageAnswer, ImageJob};
pub use process::compile;
pub use run::CompileConfig;
pub(crate) use run::{Compiles, Fresh, Took, Wanted};
