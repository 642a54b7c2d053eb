//! What the operator allows one tenant. Nothing is set from the first start: the server's ceilings hold.
//!
//! A field is here only if something holds it.

use crate::size::ByteSize;
use crate::weight::Weight;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// What one tenant may have, and ceilings for every function of it; what is not set is as the server has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantLimits {
    /// Functions that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<u32>,
    /// Models that it has, whatever the number of their versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<u32>,
    /// All memory of one instance, what the host holds for it included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Wall-clock time of one invocation.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// Time that a guest may compute in one invocation.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Duration>,
    /// A request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<ByteSize>,
    /// An answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<ByteSize>,
    /// Invocations at a time, of all functions of the tenant together; so also of each one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Requests per second to all its functions together; so many may come at once after a quiet second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<NonZeroU32>,
    /// Time of all its guests on a processor in a day of UTC.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub cpu_per_day: Option<Duration>,
    /// Time of models' sessions in a day of UTC, for the calls of all its functions.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub inference_per_day: Option<Duration>,
    /// How much it counts beside others where its functions wait for a model, or for a place on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Invocations of one function that wait for a permit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Log of one invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<ByteSize>,
    /// Tensors that the host holds for one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_bytes: Option<ByteSize>,
    /// The models that it keeps, and what it has uploaded for the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<ByteSize>,
    /// Keys that all its functions keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyvalue_keys: Option<u64>,
    /// Bytes of the keys and values that all its functions keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyvalue_bytes: Option<ByteSize>,
    /// Secrets that it keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<u32>,
    /// Connections out of all its functions at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<u32>,
    /// The body of an answer to a function's own request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound_response: Option<ByteSize>,
}

impl TenantLimits {
    /// The same but for those that hold without a function's being made anew.
    #[must_use]
    pub fn of_functions(&self) -> Self {
        Self { cpu_per_day: None, inference_per_day: None, ..self.clone() }
    }

    /// The names of those that are 0 where nothing could run with that.
    #[must_use]
    pub fn unusable(&self) -> Vec<&'static str> {
        let zeros = [
            ("memory", self.memory.is_some_and(|size| size.0 == 0)),
            ("time", self.time.is_some_and(|span| span.is_zero())),
            ("cpu", self.cpu.is_some_and(|span| span.is_zero())),
            ("concurrency", self.concurrency == Some(0)),
            ("cpu_per_day", self.cpu_per_day.is_some_and(|span| span.is_zero())),
            ("inference_per_day", self.inference_per_day.is_some_and(|span| span.is_zero())),
        ];
        zeros.iter().filter(|(_, is_zero)| *is_zero).map(|(name, _)| *name).collect()
    }
}
