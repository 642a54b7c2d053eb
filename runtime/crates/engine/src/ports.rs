//! What the engine needs from outside, as traits that the assembly implements.

mod keyvalue;
mod outbound;
mod settings;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use modelet_inference::{LoadError, ModelHandle};
use modelet_spec::limits::{KeyValueQuota, OutboundLimits};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{Digest, FunctionName, InvocationId, TenantName};

pub use keyvalue::{Bucket, KeyPage, KeyValue, KeyValueError, NoKeyValue};
pub use outbound::{NoOutbound, Outbound, OutboundBody, OutboundCall, OutboundError, OutboundFault, OutboundTimes};
pub use settings::{Setting, Settings};

/// What a port does while a guest waits, without keeping the executor's thread. Dropped when the guest is stopped.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Who calls out of a guest, and within what: the same for all instances of a function's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The function's owner.
    pub tenant: TenantName,
    /// The function.
    pub function: FunctionName,
    /// What its tenant may keep.
    pub keyvalue: KeyValueQuota,
    /// Whom it may call.
    pub rules: OutboundRules,
    /// What its requests may take.
    pub outbound: OutboundLimits,
}

/// Where a function's machine code is. Called where blocking is allowed.
pub trait Code: Send + Sync {
    /// The code that was recorded for the function.
    ///
    /// # Errors
    /// When nothing is recorded.
    fn find(&self) -> Result<CodeImage, crate::LoadError>;

    /// Makes it again, since what was found is not there, is damaged, or was made by another version of the server.
    ///
    /// # Errors
    /// When that fails.
    fn remake(&self) -> Result<CodeImage, crate::LoadError>;
}

/// Machine code, by its digest. It must be what [`Engine::compile`](crate::Engine::compile) returned: it is run as it is.
#[derive(Debug, Clone)]
pub enum CodeImage {
    /// A file that nobody changes once it is there. Its bytes are compared with the digest before they are used.
    File {
        /// Where.
        path: PathBuf,
        /// What was recorded.
        digest: Digest,
    },
    /// Bytes in memory.
    Bytes {
        /// The code.
        bytes: Arc<[u8]>,
        /// Its digest.
        digest: Digest,
    },
}

impl CodeImage {
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::File { digest, .. } | Self::Bytes { digest, .. } => *digest,
        }
    }
}

/// Whether the machine is short of memory.
pub trait Memory: Send + Sync {
    /// Asked a few times a second while anything is kept warm: it must be quick.
    fn pressure(&self) -> Pressure;
}

/// How short of memory the machine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Little is left: what is kept warm goes after a tenth of its time.
    High,
    /// Nearly nothing is left: all that nobody uses goes now.
    Critical,
}

/// Resolves the names of a function's manifest to models.
pub trait Models: Send + Sync {
    /// The way to the model behind `name`, after the check that the function may use it. Nothing is loaded by this.
    ///
    /// # Errors
    /// See [`ModelsError`].
    fn load(&self, name: &str) -> Result<ModelHandle, ModelsError>;

    /// With whom of other tenants calls to the model behind `name` may share a run, if both sides' rules say so: those with the
    /// same number. `None`: with nobody. Asked when the model is loaded.
    fn circle(&self, _name: &str) -> Option<u64> {
        None
    }
}

/// The port of a function without models.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModels;

impl Models for NoModels {
    fn load(&self, name: &str) -> Result<ModelHandle, ModelsError> {
        Err(ModelsError::NotFound(name.to_owned()))
    }
}

/// Why a model name led nowhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelsError {
    /// The manifest names no such model, or the function may not use it: the two are not told apart.
    #[error("no model named `{0}`: list it under [models] in function.toml")]
    NotFound(String),
    /// The model exists and could not be brought into memory.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Where a line written by a guest came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// `wasi:cli/stdout`
    Out,
    /// `wasi:cli/stderr`
    Err,
}

impl Stream {
    /// The stream's name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// Takes the lines that guests write. Called on the executor's thread: it must not block.
pub trait Log: Send + Sync {
    /// One line, without its line end, cut at the invocation's log budget.
    fn line(&self, invocation: InvocationId, stream: Stream, text: &str);

    /// So many bytes of an invocation came after its budget was used up. Told once, at its end.
    fn dropped(&self, _invocation: InvocationId, _bytes: u64) {}
}

/// The port of a function whose lines nobody reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLog;

impl Log for NoLog {
    fn line(&self, _: InvocationId, _: Stream, _: &str) {}
}

/// A part of an invocation's time that only the engine sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for the component that was not in memory: its code is mapped and linked.
    Compile,
    /// Making an instance.
    Instantiate,
    /// Waiting for models that were not in memory.
    Load,
    /// Waiting for models to answer.
    Infer,
}

/// What was not there yet when an invocation wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColdStart {
    /// The component was on the disk only.
    Component,
    /// No warm instance.
    Instance,
    /// A model that was not in memory.
    Model,
}

/// Why a call to a model was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// The model's queue was full.
    Queue,
    /// There was no memory for the model.
    Memory,
}

/// Hears of times inside of invocations, and of calls to models that found no place. Called on the executor's thread: it must not block.
pub trait Times: Send + Sync {
    /// One invocation spent so much on a stage.
    fn stage(&self, stage: Stage, took: Duration);

    /// An invocation of a function waited so long for what was not there.
    fn cold_start(&self, owner: (&TenantName, &FunctionName), level: ColdStart, took: Duration);

    /// A call to a model by a function of `tenant` was turned away.
    fn turned_away(&self, tenant: &TenantName, why: TurnedAway);
}
