//! Why the gateway itself does not let a request through to a function.
//!
//! The texts are what the client reads: no internal path, no other tenant's name.

use std::time::Duration;

use modelet_catalog::Spent;

/// A request that no guest sees.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The client's request is no proper one.
    #[error(transparent)]
    Bad(#[from] BadRequest),
    /// No route.
    #[error("no function answers this host and path")]
    NotFound,
    /// A route, and a version that its function does not share requests with. Told only to whoever may deploy it.
    #[error(
        "requests cannot reach the version that `modelet-version` names: give it a part of them, 0 % is enough (`modelet traffic`)"
    )]
    NoVersion,
    /// A route, for other methods.
    #[error("this path does not answer this method; it answers {}", .allow.join(", "))]
    Method {
        /// The methods it answers.
        allow: Vec<String>,
    },
    /// The route wants a key and got none, or one that is not known.
    #[error("this path needs a key: send `Authorization: Bearer KEY`")]
    NoKey,
    /// The key is known and does not open this route.
    #[error("this key may not invoke this function")]
    Forbidden,
    /// More body than the function takes.
    #[error("the request body is over the limit of {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The function's own limit of concurrent requests is reached, and its queue is full or did not move.
    #[error("the function is at its limit of concurrent requests; try again")]
    FunctionFull,
    /// The limit of all functions of its tenant is reached.
    #[error("the functions of this tenant are at their limit of concurrent requests; try again")]
    TenantFull,
    /// The functions of its tenant are asked too often.
    #[error("the functions of this tenant are at their limit of requests per second; try again")]
    TenantRate {
        /// When the next request may come.
        retry_after: Duration,
    },
    /// The functions of its tenant have used what they may in a day.
    #[error("{}", used_up(*.spent))]
    TenantDay {
        /// Of what.
        spent: Spent,
        /// When the next day begins.
        retry_after: Duration,
    },
    /// The server's limit is reached.
    #[error("the server is at its limit of concurrent requests; try again")]
    ServerFull,
}

impl From<(Spent, Duration)> for Refusal {
    fn from((spent, retry_after): (Spent, Duration)) -> Self {
        Self::TenantDay { spent, retry_after }
    }
}

fn used_up(spent: Spent) -> &'static str {
    match spent {
        Spent::Cpu => {
            "the functions of this tenant have used the processor time that they may in a day; the next begins at midnight (UTC)"
        }
        Spent::Inference => {
            "the functions of this tenant have used the time of models that they may in a day; the next begins at midnight (UTC)"
        }
    }
}

/// What is wrong with a request before anyone looked at what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    /// HTTP/1.1 without `Host`.
    #[error("an HTTP/1.1 request must have a Host header")]
    NoHost,
    /// More than one `Host`.
    #[error("a request must have one Host header")]
    ManyHosts,
    /// `Host` or `:authority` names no host.
    #[error("the Host header or the target's authority is not a host")]
    Host,
    /// The body broke off or was not in the form its headers announce.
    #[error("the request body broke off or is malformed")]
    Body,
}
