//! The engine's port for what functions send: from a request to an answer, within what the function may do (decision 0016).
//!
//! [`send`] is the script, and its order is the contract: the origin is looked up in the function's rules, a place is taken,
//! the name is resolved once, each address is looked up in the rules, and exactly such an address is connected to. Nothing
//! is resolved again, no redirect is followed, no proxy is asked, no connection is used twice.

mod body;
mod connect;
mod fetch;
mod metrics;
mod permits;
mod resolve;
mod target;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use modelet_engine::ports::{Outbound, OutboundBody, OutboundCall, OutboundError, OutboundFault, Pending};
use prometheus_client::registry::Registry;

pub(crate) use fetch::Fetcher;

use body::{Answer, AnswerLimits, Driver};
use connect::{Connector, Stream};
use metrics::Metrics;
use permits::{Permit, Permits};
use resolve::{Resolve, SystemResolver};
use target::Target;

/// A connection that takes longer will not come.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// hyper has no room for a head in less.
const HEAD_BYTES_MIN: usize = 8 << 10;

/// What the port is made with.
#[derive(Debug, Clone)]
pub(crate) struct OutboundConfig {
    /// Connections out of all functions at a time.
    pub(crate) total: u32,
    /// Whether a rule of a function may name addresses that are not public.
    pub(crate) private: Private,
    /// Whom TLS trusts.
    pub(crate) roots: rustls::RootCertStore,
}

/// `[outbound] private`: what becomes of addresses that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    /// A function calls those that its manifest names.
    Named,
    /// No function calls any.
    Never,
}

/// Sends what functions send.
pub(crate) struct HttpClient {
    shared: Arc<Shared>,
}

struct Shared {
    permits: Permits,
    connector: Connector,
    metrics: Metrics,
}

impl HttpClient {
    /// A client that resolves names as this machine does.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(config: OutboundConfig, registry: &mut Registry) -> Result<Self, rustls::Error> {
        Self::with(config, Arc::new(SystemResolver::default()), registry)
    }

    fn with(
        config: OutboundConfig,
        resolver: Arc<dyn Resolve>,
        registry: &mut Registry,
    ) -> Result<Self, rustls::Error> {
        let permits = Permits::new(config.total);
        let connector = Connector::new(resolver, config.private, config.roots)?;
        let metrics = Metrics::register(registry, permits.clone());
        Ok(Self { shared: Arc::new(Shared { permits, connector, metrics }) })
    }
}

impl Outbound for HttpClient {
    fn send(&self, call: OutboundCall) -> Pending<Result<http::Response<OutboundBody>, OutboundError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let place = Arc::clone(&call.place);
            let result = send(&shared, call).await;
            shared
                .metrics
                .count(&place.tenant, result.as_ref().map_or_else(|error| error.fault.name(), |_| "answered"));
            result
        })
    }
}

async fn send(shared: &Shared, call: OutboundCall) -> Result<http::Response<OutboundBody>, OutboundError> {
    let OutboundCall { place, mut request, deadline, nth, times } = call;
    let calls_max = place.outbound.calls;
    if nth > calls_max {
        let why = format!("not sent: an invocation sends {calls_max} requests at most (`outbound_calls`)");
        return Err(OutboundError::new(OutboundFault::TooMany, why));
    }
    let target = Target::of(&request)?;
    target.allowed_by(&place.rules)?;
    let permit = shared.permits.take(&place)?;
    let connect_max = times.connect.unwrap_or(CONNECT_MAX);
    let stream = shared.connector.connect(&place.rules, &target, by(deadline, Some(connect_max))).await?;
    *request.uri_mut() = target.path;
    let until = by(deadline, times.first_byte);
    let (response, driver) = exchange(stream, request, permit, place.outbound.header_bytes, deadline, until).await?;
    let limits = AnswerLimits { bytes: place.outbound.response_bytes, between: times.between_bytes, deadline };
    limits.hold(response.headers())?;
    Ok(response.map(|incoming| Answer::new(incoming, limits, driver).boxed_unsync()))
}

/// Sends a request on a connection of its own, and waits for the head of the answer.
async fn exchange(
    stream: Stream,
    request: http::Request<OutboundBody>,
    permit: Permit,
    header_bytes: usize,
    deadline: Instant,
    until: Instant,
) -> Result<(http::Response<Incoming>, Driver), OutboundError> {
    let mut client = http1::Builder::new();
    client.max_buf_size(header_bytes.max(HEAD_BYTES_MIN));
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let driver = Driver::spawn(connection, permit, deadline);
    let answered = tokio::time::timeout_at(until.into(), sender.send_request(request)).await;
    let why = "connected, and no answer began in time";
    let response = answered.map_err(|_| OutboundError::new(OutboundFault::FirstByteTimeout, why))?;
    Ok((response.map_err(|error| broken(&error))?, driver))
}

/// The earlier one of the deadline and a moment so far away.
fn by(deadline: Instant, wait: Option<Duration>) -> Instant {
    wait.and_then(|wait| Instant::now().checked_add(wait)).map_or(deadline, |moment| moment.min(deadline))
}

/// What hyper says of an exchange that failed.
fn broken(error: &hyper::Error) -> OutboundError {
    if let Some(own) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<OutboundError>()) {
        return own.clone();
    }
    let fault = if error.is_parse() { OutboundFault::Protocol } else { OutboundFault::Broken };
    OutboundError::new(fault, format!("the exchange failed: {error}"))
}
