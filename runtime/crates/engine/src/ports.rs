//! What the engine needs from outside, as traits that the assembly implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use modelet_inference::Model;
use modelet_spec::InvocationId;

/// A boxed future, as the ports return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Resolves the names of a function's manifest to models, loading them when needed.
pub trait Models: Send + Sync {
    /// The model behind `name`. Many callers may wait for one load.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<Model>, ModelsError>>;
}

/// Why a model name led nowhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelsError {
    /// The manifest names no such model, or the function may not use it: the two are not told apart.
    #[error("no model named `{0}`: list it under [models] in function.toml")]
    NotFound(String),
    /// The model exists and could not be loaded within the memory it may use.
    #[error("{0}")]
    TooLarge(String),
    /// The model exists and could not be loaded.
    #[error("{0}")]
    Failed(String),
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
}
