//! ONNX Runtime behind types of our own: the environment, a session, and the C interface.

mod control;
mod environment;
pub(crate) mod ffi;
mod keeper;
mod load;
mod message;
mod options;
mod ports;
mod session;

pub(crate) use control::{Control, RunId, Stop};
pub(crate) use environment::Environment;
pub(crate) use keeper::Keeper;
pub(crate) use load::{Loaded, Wish, load};
pub(crate) use options::SessionSettings;
pub(crate) use session::{Ran, Session};
