//! What the tests drive Modelet with: the real binary on free ports, the real command line, plain HTTP.
//!
//! Nothing here links a crate of the runtime: a test sees what a user sees. Begin at [`TestHost`]; [`Function`] says what is
//! deployed on it, [`Answer`] is what comes back, [`metrics`] and [`process`] look at the server from outside, and
//! [`conformance`] runs the ONNX project's own cases. Whatever is missing panics: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is for tests alone, and a panic is how a test fails"
)]

pub mod admin;
pub mod archive;
pub mod authority;
pub mod cli;
pub mod client;
pub mod conformance;
pub mod disk;
pub mod files;
#[path = "../guests/frame.rs"]
pub mod frame;
pub mod function;
pub mod h2;
pub mod host;
pub mod magika;
pub mod metrics;
pub mod nn;
pub mod origin;
pub mod places;
pub mod process;
pub mod raw;
pub mod sources;
pub mod tenants;
pub mod tokens;
pub mod wait;

pub use cli::Ran;
pub use client::Answer;
pub use function::Function;
pub use host::{TestHost, shared};
pub use origin::Origin;
pub use wait::until;
