//! What a function's own requests need from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use super::{Pending, Place};

/// A body on its way out or in. Whoever needs bytes pulls them: nothing is read ahead.
pub type OutboundBody = UnsyncBoxBody<Bytes, OutboundError>;

/// How long a guest says it waits. What it does not say is as the port has it, and never beyond the call's deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboundTimes {
    /// For a connection, TLS included.
    pub connect: Option<Duration>,
    /// From there to the head of the answer.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer's body.
    pub between_bytes: Option<Duration>,
}

/// One request of a guest.
pub struct OutboundCall {
    /// Who calls, whom it may call, and what that may take.
    pub place: Arc<Place>,
    /// With scheme and authority in its URI, and without headers that are no guest's to set.
    pub request: http::Request<OutboundBody>,
    /// When the invocation ends.
    pub deadline: Instant,
    /// The how many-th it is of its invocation, from 1.
    pub nth: u32,
    /// How long the guest waits.
    pub times: OutboundTimes,
}

/// Sends the requests of guests. Every refusal comes before a byte has left.
pub trait Outbound: Send + Sync {
    /// Sends a request and waits for the head of its answer. Dropping the future, or the answer's body, ends the connection.
    fn send(&self, call: OutboundCall) -> Pending<Result<http::Response<OutboundBody>, OutboundError>>;
}

/// Why a request did not go out, or its answer did not come whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct OutboundError {
    /// What the guest learns.
    pub fault: OutboundFault,
    /// For the function's author, in the invocation's log: what, why, and what to do.
    pub why: String,
}

/// Kinds of [`OutboundError`], as `wasi:http` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboundFault {
    /// The function may not call this origin.
    Denied,
    /// The name leads to an address that the function may not call.
    AddressDenied,
    /// The URI or the method is none that can be sent.
    Malformed,
    /// The name leads nowhere.
    Unresolved,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// No connection in time.
    ConnectTimeout,
    /// The certificate is not to be trusted.
    Certificate,
    /// TLS could not be agreed upon.
    Tls,
    /// Too many connections of the function, its tenant or the server, or too many requests of the invocation.
    TooMany,
    /// No head of an answer in time.
    FirstByteTimeout,
    /// No further piece of an answer's body in time.
    BetweenBytesTimeout,
    /// An answer's body is longer than allowed.
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// An answer's head is longer than allowed, or no HTTP.
    Protocol,
    /// The connection ended before the answer did.
    Broken,
    /// The guest's own body ended early.
    OwnBody,
}

impl OutboundFault {
    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::AddressDenied => "address-denied",
            Self::Malformed => "malformed",
            Self::Unresolved => "unresolved",
            Self::Refused => "connection-refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect-timeout",
            Self::Certificate => "certificate",
            Self::Tls => "tls",
            Self::TooMany => "too-many",
            Self::FirstByteTimeout => "first-byte-timeout",
            Self::BetweenBytesTimeout => "between-bytes-timeout",
            Self::TooLong { .. } => "too-long",
            Self::Protocol => "protocol",
            Self::Broken => "broken",
            Self::OwnBody => "own-body",
        }
    }
}

impl OutboundError {
    /// An error with what its author reads.
    pub fn new(fault: OutboundFault, why: impl Into<String>) -> Self {
        Self { fault, why: why.into() }
    }
}

/// The port of a host from which nothing leaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutbound;

impl Outbound for NoOutbound {
    fn send(&self, _: OutboundCall) -> Pending<Result<http::Response<OutboundBody>, OutboundError>> {
        let why = "nothing leaves: this server sends nothing for functions, or the call was a deploy's own";
        let error = OutboundError::new(OutboundFault::Denied, why);
        Box::pin(std::future::ready(Err(error)))
    }
}
