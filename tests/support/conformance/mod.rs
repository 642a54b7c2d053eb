//! The ONNX project's own backend cases, each computed by a real server *through a guest component*.
//!
//! A case is a model, its inputs, and the outputs that the standard wants. Its model is pushed, the guest `nn_types` is
//! deployed with it, and the inputs go over HTTP into the guest, from there through `wasi:nn` and `modelet:nn` into ONNX
//! Runtime, and back. A case that takes or gives what is no tensor (a sequence, an optional) is *not expressible* and only
//! counted. What fails for
//! a known reason stands in `tests/conformance/expected_fail.txt`; any other failure, and a listed case that passes, is an
//! error.

mod case;
mod compare;
mod expected;
mod proto;
mod suite;

pub use case::{Case, Inexpressible};
pub use expected::{Expected, Reason};
pub use suite::{Report, Stage, Verdict, run};
