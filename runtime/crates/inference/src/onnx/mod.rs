//! ONNX Runtime behind types of our own: the environment, a session, and the C interface.

mod bound;
mod control;
mod device_memory;
pub(crate) mod engines;
mod environment;
pub(crate) mod ffi;
mod keeper;
mod load;
mod message;
mod options;
mod ports;
mod probe;
mod provider;
mod session;
pub(crate) mod tiny;

pub(crate) use control::{Control, RunId, Stop};
pub(crate) use device_memory::DeviceMemory;
pub(crate) use environment::Environment;
pub(crate) use ffi::built_in;
pub(crate) use keeper::Keeper;
pub(crate) use load::{Loaded, Wish, folded_bytes_max, load};
pub(crate) use message::public;
pub(crate) use options::{SessionPlace, SessionSettings};
pub(crate) use probe::probe;
pub(crate) use provider::Target;
pub(crate) use session::{Ran, Session};
