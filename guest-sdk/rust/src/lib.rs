//! Write Modelet functions in Rust: a function takes a [`Request`] and gives a [`Response`] or an [`Error`].
//!
//! This crate is a thin layer over the standards that a function imports (`wasi:http` 0.2 and `wasi:nn`), made so that
//! a request costs few calls into the host. What they have no words for is in `modelet:nn`: a function that uses it (other
//! element types, strings, [`Model::describe`], [`Model::compute`], [`deadline_left`]) runs on Modelet only. It is not a web framework: it has no router, no async and no state of its
//! own but the models that it keeps loaded. Begin at [`handler!`], then [`Model`]; what is not covered is reachable
//! through [`wasi`] and [`mod@modelet`].
//!
//! A function is a crate of type `cdylib`, built by `cargo build --profile guest --target wasm32-wasip2`:
//!
//! ```
#![doc = include_str!("../examples/hello.rs")]
//! ```
//!
//! JSON in and out:
//!
//! ```
#![doc = include_str!("../examples/json.rs")]
//! ```
//!
//! A model, by the name that the function's manifest gives it:
//!
//! ```
#![doc = include_str!("../examples/classify.rs")]
//! ```
//!
//! A language model whose cache stays in the host, with its token ids checked and an eye on the time:
//!
//! ```
#![doc = include_str!("../examples/generate.rs")]
//! ```
//!
//! Whatever a model takes and gives, strings among them:
//!
//! ```
#![doc = include_str!("../examples/describe.rs")]
//! ```
//!
//! Tables that are made once, when the function is deployed, and not in each instance:
//!
//! ```
#![doc = include_str!("../examples/init.rs")]
//! ```
//!
//! An answer that is not held in memory, on the raw bindings:
//!
//! ```
#![doc = include_str!("../examples/stream.rs")]
//! ```

#[doc(hidden)]
pub mod bindings;
mod element;
mod error;
mod handler;
mod init;
mod invocation;
mod model;
mod request;
mod response;
mod tensor;
pub mod tokens;

pub use bindings::modelet;
pub use bindings::modelet::nn::models::{Description, Dimension, Port};
pub use bindings::wasi;
pub use element::{Element, ElementType};
pub use error::{Error, ModelErrorCode};
#[doc(hidden)]
pub use handler::serve;
#[doc(hidden)]
pub use init::bindings as init_bindings;
pub use invocation::deadline_left;
pub use model::{Model, Outputs};
pub use request::Request;
pub use response::Response;
pub use tensor::Tensor;
