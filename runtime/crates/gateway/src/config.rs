//! What the operator may choose about the data plane.

use std::time::Duration;

use modelet_spec::ServerLimits;

/// The settings of a [`Gateway`](crate::Gateway), checked by whoever read them.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The operator's ceilings; of these the gateway itself keeps `connections`, `concurrency_total`, `time` and
    /// `header_bytes`.
    pub limits: ServerLimits,
    /// Whether answers carry `server-timing`. Off by default: it tells every client how long a function takes.
    pub server_timing: bool,
    /// How long a client of HTTP/1.1 may take to send a request's head, from its first byte. Default 30 s.
    pub header_read_timeout: Duration,
    /// How long a connection stays open when nothing moves on it. Default 75 s, as nginx.
    pub keep_alive: Duration,
    /// How long a request waits for a place, in a full function's queue and a full server's together, before it is refused.
    /// Default 5 s: who waited so long is better told to come again.
    pub queue_wait: Duration,
    /// How long open requests may take to end after a shutdown began. Default 30 s.
    pub drain: Duration,
    /// Header fields of one request. Default 100, as hyper; each costs memory before anyone looked at it.
    pub headers_max: usize,
    /// Requests at a time on one HTTP/2 connection. Default 128.
    pub http2_streams_max: u32,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            server_timing: false,
            header_read_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            queue_wait: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            headers_max: 100,
            http2_streams_max: 128,
        }
    }
}
