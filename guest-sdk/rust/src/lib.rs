//! Write Modelet functions in Rust: a function takes a [`Request`] and gives a [`Response`] or an [`Error`].
//!
//! This crate is a thin layer over the standards that a function imports (`wasi:http` 0.2 and `wasi:nn`), made so that
//! a request costs few calls into the host. It is not a web framework: it has no router, no async and no state of its
//! own but the models that it keeps loaded. Begin at [`handler!`], then [`Model`]; what is not covered is reachable
//! through [`wasi`].
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
//! An answer that is not held in memory, on the raw bindings:
//!
//! ```
#![doc = include_str!("../examples/stream.rs")]
//! ```

#[doc(hidden)]
pub mod bindings;
mod error;
mod handler;
mod model;
mod request;
mod response;
mod tensor;

pub use bindings::wasi;
pub use error::{Error, ModelErrorCode};
#[doc(hidden)]
pub use handler::serve;
pub use model::{Model, Outputs};
pub use request::Request;
pub use response::Response;
pub use tensor::{Element, ElementType, Tensor};
