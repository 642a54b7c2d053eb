//! What can go wrong, by whose fault it is.

use std::path::PathBuf;
use std::time::Duration;

use modelet_spec::Device;

/// No usable `libonnxruntime` was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "no libonnxruntime found{}; run `cargo xtask setup`, or name the file by `library` in [inference] of modelet.toml or by MODELET_INFERENCE_LIBRARY",
    list(tried)
)]
pub struct LibraryError {
    /// Every place looked at, in order, and why it did not do.
    pub tried: Vec<(PathBuf, String)>,
}

fn list(tried: &[(PathBuf, String)]) -> String {
    let places: Vec<String> = tried.iter().map(|(path, why)| format!("{} ({why})", path.display())).collect();
    if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) }
}

/// The runtime could not be opened: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no library.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// There is a file, but it is no ONNX Runtime that this build can use.
    #[error(
        "{} is no usable ONNX Runtime: {why}; run `cargo xtask setup`, which fetches a tested one, or name another (1.24 or newer)",
        path.display()
    )]
    Unusable {
        /// The file that was tried.
        path: PathBuf,
        /// What the loader said.
        why: String,
    },
    /// ONNX Runtime has one environment per process, and it is already open with other settings.
    #[error("ONNX Runtime is already open in this process with other settings; open it once and clone the handle")]
    AlreadyOpen,
    /// A setting makes no sense.
    #[error("inference setting `{setting}` is {value}; {fix}")]
    Setting {
        /// The field of `RuntimeConfig`.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        fix: &'static str,
    },
    /// A device was demanded that is not really there.
    #[error("{device} is demanded and not really there: {why}; {fix}")]
    Device {
        /// Which.
        device: Device,
        /// What the loader or the provider said.
        why: String,
        /// What to do about it.
        fix: &'static str,
    },
    /// None of the devices that were named is there.
    #[error("no device is there: {told}; add `cpu` to `inference.devices`, or see `modelet doctor`")]
    NoDevice {
        /// Each device with the reason.
        told: String,
    },
    /// ONNX Runtime or the system refused to start.
    #[error("ONNX Runtime did not start: {0}")]
    Start(String),
}

/// A model could not be loaded: the fault of whoever pushed it, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no ONNX model, or a broken one.
    #[error("not a loadable ONNX model: {0}")]
    Invalid(String),
    /// A sound model that needs something not offered here.
    #[error("model not supported: {0}")]
    Unsupported(String),
    /// It asks for a device that is not there.
    #[error(
        "the model demands {device} by `device` in [run] of its card, and this server does not have it: {why}; without \
         the `!` there it runs on another device; `modelet doctor` tells what is there"
    )]
    Device {
        /// Which.
        device: Device,
        /// Why it is not there.
        why: String,
    },
    /// Over a limit of size, or loading takes more memory than there is for all models.
    #[error("model too large: {0}")]
    TooLarge(String),
    /// All that could go for it is in use: our limit, try again.
    #[error("no memory for the model now, all other models are in use; retry after {retry_after:?}")]
    Busy {
        /// A guess.
        retry_after: Duration,
    },
    /// Nobody waited for it any more.
    #[error("the load was cancelled")]
    Cancelled,
    /// Something failed that is neither the model's fault nor its caller's.
    #[error("the model cannot be loaded: {0}")]
    Unavailable(String),
    /// It took longer than a load may.
    #[error("loading took longer than the limit of {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

/// A tensor could not be made of its parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// Too many elements or bytes to count.
    #[error("shape {shape} has more elements than can be addressed")]
    Overflow {
        /// The shape as given.
        shape: String,
    },
    /// Too many dimensions.
    #[error("shape has {rank} dimensions; at most {max} are allowed")]
    Rank {
        /// As given.
        rank: usize,
        /// The limit.
        max: usize,
    },
    /// The data does not fill the shape.
    #[error("{element} tensor of shape {shape} needs {expected} {unit}, got {got}")]
    Length {
        /// The element type's name.
        element: &'static str,
        /// The shape.
        shape: String,
        /// What the shape needs.
        expected: usize,
        /// What was given.
        got: usize,
        /// `bytes`, `strings` or `elements`.
        unit: &'static str,
    },
    /// String tensors are made of strings, all others of bytes.
    #[error("a string tensor has no bytes; make it of strings")]
    NoBytes,
    /// A tensor cannot be cut to this.
    #[error("a tensor of shape {from} cannot be cut to {to}")]
    Crop {
        /// What there is.
        from: String,
        /// What was wanted.
        to: String,
    },
    /// It lies on a device, and could not be copied from there.
    #[error("a tensor could not be copied from {0}")]
    Device(String),
    /// The machine is out of memory.
    #[error("no memory for a tensor of {bytes} bytes")]
    Memory {
        /// What was asked for.
        bytes: usize,
    },
}

/// A run gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The inputs do not fit the model: the caller's fault. Names the input and what was expected.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// The run needs more memory than there is for all models.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The caller's deadline passed; the run was stopped.
    #[error("the deadline passed before the model answered")]
    Timeout,
    /// The model's queue is full: our limit, try again.
    #[error("the model's queue is full; retry after {retry_after:?}")]
    Busy {
        /// A guess from the queue's length and the time a run takes.
        retry_after: Duration,
    },
    /// The run was stopped from outside.
    #[error("the run was cancelled")]
    Cancelled,
    /// ONNX Runtime failed; its message, with no path in it.
    #[error("the model failed: {0}")]
    Failed(String),
}
