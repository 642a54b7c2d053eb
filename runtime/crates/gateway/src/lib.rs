//! The data plane: from a socket to a function and back.
//!
//! What it is not: it compiles nothing, stores nothing, and reads no disk. What serves is a catalog that others swap; how a
//! function runs is the engine's business.
//!
//! Where to begin: `invoke` is the script of one request. `accept` and `connection` lead to it; `authorise`, `admit`,
//! `choose`, `headers` and `body` are its steps; `respond` is the only table from what happened to a status code; `record` writes each
//! request down once, and `watch` hears how each guest ended.

mod accept;
mod activity;
mod admit;
mod authorise;
mod body;
mod choose;
mod clock;
mod config;
mod connection;
mod error;
mod gateway;
mod headers;
mod histogram;
mod host;
mod id;
mod invoke;
mod line;
mod meter;
mod meters;
mod metrics;
mod places;
mod problem;
mod record;
mod rejections;
mod reply;
mod respond;
mod shadow;
mod shares;
mod socket;
mod times;
mod tls;
mod watch;

pub use accept::Drained;
pub use config::GatewayConfig;
pub use gateway::{Gateway, Snapshot};
pub use shares::Shares;
pub use tls::Certificate;
