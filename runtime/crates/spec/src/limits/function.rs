//! What a function's author wishes for: `[limits]` of `function.toml`.

use crate::size::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The wishes of one function; what is not set has the default named at the field, below the server's ceiling so that one
/// careless function does not get all that the machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionLimits {
    /// All memory of one instance, what the host holds for it included. Default 128 MiB: JavaScript and Python guests start with about 30 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Wall-clock time of one invocation. Default 30 s: the usual patience of clients and proxies.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// Time that the guest may compute in one invocation. Default 10 s.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Duration>,
    /// A request's body. Default 8 MiB: a photo, not a film.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<ByteSize>,
    /// An answer's body. Default 64 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ByteSize>,
    /// Invocations at a time. Default 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Invocations that wait for one of these places; more are answered 429. Default 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Log of one invocation. Default 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<ByteSize>,
    /// Tensors that the host holds for one instance; they are part of [`Self::memory`], too. Default 128 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<ByteSize>,
}

impl FunctionLimits {
    /// What a function gets that wishes for nothing: each field set to the default its documentation names.
    pub(crate) fn filled(&self) -> Filled {
        Filled {
            memory: self.memory.unwrap_or(ByteSize::mib(128)),
            time: self.time.unwrap_or(Duration::from_secs(30)),
            cpu: self.cpu.unwrap_or(Duration::from_secs(10)),
            body: self.body.unwrap_or(ByteSize::mib(8)),
            response: self.response.unwrap_or(ByteSize::mib(64)),
            concurrency: self.concurrency.unwrap_or(32),
            queue: self.queue.unwrap_or(64),
            log: self.log.unwrap_or(ByteSize::kib(64)),
            tensors: self.tensors.unwrap_or(ByteSize::mib(128)),
        }
    }
}

/// [`FunctionLimits`] with every field known.
pub(crate) struct Filled {
    pub(crate) memory: ByteSize,
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    pub(crate) body: ByteSize,
    pub(crate) response: ByteSize,
    pub(crate) concurrency: u32,
    pub(crate) queue: u32,
    pub(crate) log: ByteSize,
    pub(crate) tensors: ByteSize,
}
