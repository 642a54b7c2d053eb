//! Why a function cannot enter a catalog.

use thiserror::Error;

/// Why a function cannot enter a catalog. No message names another tenant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// Another function answers there already.
    #[error("the route {route} is taken by {holder}; choose another path, host or method")]
    Conflict {
        /// The route as asked for: methods, host, path.
        route: String,
        /// Who holds it: "the function NAME" of the same tenant, or "another function".
        holder: String,
    },
    /// The path belongs to the model protocols.
    #[error("the path {path} is reserved for the model protocols (/v1/models, /v2, /openai and below); choose another")]
    Reserved {
        /// The path as asked for.
        path: String,
    },
    /// The host is not one that a request can have.
    #[error("{host:?} is not a host; write a lower-case host name without a port")]
    BadHost {
        /// The host as asked for.
        host: String,
    },
    /// A tenant wants a host that the operator did not give it.
    #[error(
        "the host {host} is not one that this tenant was given: it may claim {may}; the operator gives hosts and paths"
    )]
    HostNotGiven {
        /// The host as asked for.
        host: String,
        /// What the tenant may claim.
        may: String,
    },
    /// A tenant wants a path that the operator did not give it.
    #[error(
        "the path {path} is not one that this tenant was given: it may claim {may}; the operator gives hosts and paths"
    )]
    PathNotGiven {
        /// The pattern as asked for.
        path: String,
        /// What the tenant may claim.
        may: String,
    },
    /// The default tenant wants what another tenant was given.
    #[error("the route {route} was given to another tenant; choose another path or host")]
    Given {
        /// The route as asked for: methods, host, path.
        route: String,
    },
}
