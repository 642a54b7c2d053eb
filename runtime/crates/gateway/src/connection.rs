//! One connection: HTTP/1.1 or HTTP/2, its limits, and the turn of each of its requests into an [`Invocation`].
//!
//! Below this file nobody sees hyper's server types.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use modelet_spec::InvocationId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::accept::Phase;
use crate::activity::Activity;
use crate::clock;
use crate::gateway::Gateway;
use crate::id;
use crate::invoke::invoke;
use crate::record::Record;
use crate::reply::ReplyBody;
use crate::socket::Socket;

/// One request on its way through the script.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Names the request in answers, logs and metrics.
    pub(crate) id: InvocationId,
    /// When the server's own limit ends it; the function's may be earlier.
    pub(crate) deadline: Instant,
    /// Whether the client sent it by HTTPS.
    pub(crate) https: bool,
    /// As the client sent it.
    pub(crate) request: Box<Request<Incoming>>,
}

/// What all requests of one connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) activity: Activity,
    /// Whether it is encrypted.
    pub(crate) https: bool,
}

/// The least that hyper takes as a bound for its buffers, in bytes.
const BUFFER_MIN: usize = 8 << 10;
/// What HTTP/2 buffers of one answer before the guest has to wait, in bytes.
const HTTP2_SEND_BUFFER: usize = 64 << 10;
/// Dead peers of HTTP/2 connections are found by pings; on HTTP/1.1 nothing but the time tells.
const HTTP2_PING: Duration = Duration::from_secs(30);

/// Serves one connection to its end.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    https: bool,
    mut phase: watch::Receiver<Phase>,
) {
    let (keep_alive, head_time) = (gateway.config.keep_alive, gateway.config.header_read_timeout);
    let look = LOOK.min(head_time / 4);
    let builder = builder(&gateway);
    let shared = Arc::new(Connection { gateway, activity: Activity::new(Instant::now()), https });
    let service = service_fn(|request| answer(shared.clone(), request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Socket::new(stream, shared.clone())), service));
    let mut asked_to_end = false;
    loop {
        let closes_at = shared.activity.closes_at(keep_alive);
        tokio::select! {
            biased;
            result = connection.as_mut() => return log_end(result),
            Ok(()) = phase.changed() => {
                if *phase.borrow_and_update() == Phase::Closed {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(closes_at.min(clock::after(Instant::now(), look)).into()) => {
                let now = Instant::now();
                if shared.activity.is_head_late(now, head_time) {
                    return;
                }
                if shared.activity.closes_at(keep_alive) > now {
                    continue;
                }
                if std::mem::replace(&mut asked_to_end, true) {
                    return;
                }
                // Nothing moved: an idle connection ends at once by this, a stuck one is cut at the next look.
                connection.as_mut().graceful_shutdown();
                shared.activity.moved(now);
            }
        }
    }
}

/// How often a connection on which nothing moves is looked at, at least: how late the timeout of a request's head can be. hyper's own
/// would read the clock for every head, make a timer, and look once more for the next head after each answer: 2 % of a hello.
const LOOK: Duration = Duration::from_secs(5);

/// The head of a request has arrived. The answer is boxed: hyper moves the future.
fn answer(
    shared: Arc<Connection>,
    request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<ReplyBody>, Infallible>>>> {
    let arrived = Instant::now();
    let deadline = clock::after(arrived, shared.gateway.config.limits.time);
    if request.version() == Version::HTTP_2 {
        shared.activity.has_frames();
    }
    let id = id::next(arrived);
    let record = Record::begin(shared.clone(), id, arrived, deadline);
    let invocation = Invocation { id, deadline, https: shared.https, request: Box::new(request) };
    Box::pin(async move { Ok(invoke(&shared.gateway, invocation, record).await) })
}

fn builder(gateway: &Gateway) -> Builder<TokioExecutor> {
    let config = &gateway.config;
    let head_bytes = config.limits.header_bytes.as_len();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(head_bytes.max(BUFFER_MIN));
    // hyper's own is 100, in an array that need not be cleared first.
    if config.headers_max != 100 {
        builder.http1().max_headers(config.headers_max);
    }
    // Against floods of resets hyper's own defaults stay: 20 pending, 1,024 by local errors.
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.http2_streams_max)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING);
    builder
}

/// hyper has answered what could be answered (400, 431); the rest is only worth a line to who looks for it.
fn log_end(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}
