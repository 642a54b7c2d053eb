//! A listener on a free port and one task per connection, on either kind of tokio runtime.
//!
//! hyper serves both protocols, as in the gateway, with its own defaults: no timeout, no bounds of ours.

use std::io::Write;
use std::net::TcpListener as StdListener;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// What a baseline says before its address.
pub(crate) const LISTENING: &str = "listening on ";

/// Which tokio runtime a server runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runtime {
    /// One runtime, a worker per core that this process may use, tasks move between them.
    Multi,
    /// One runtime per core that this process may use, each accepting for itself; tasks stay.
    Current,
}

impl FromStr for Runtime {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "multi" => Ok(Self::Multi),
            "current" => Ok(Self::Current),
            _ => bail!("a runtime is `multi` or `current`, not {text:?}"),
        }
    }
}

/// What answers the requests.
pub(crate) trait Answers: Send + Sync + 'static {
    /// The response body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static;

    /// Answers one request.
    fn answer(self: Arc<Self>, request: Request<Incoming>)
    -> impl Future<Output = Result<Response<Self::Body>>> + Send;
}

/// Serves until it is killed.
///
/// # Errors
/// When there is no port or no runtime to be had.
pub(crate) fn run(runtime: Runtime, answers: impl Answers) -> Result<()> {
    let listener = StdListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    writeln!(std::io::stdout(), "{LISTENING}{}", listener.local_addr()?)?;
    let answers = Arc::new(answers);
    match runtime {
        Runtime::Multi => Builder::new_multi_thread().enable_all().build()?.block_on(accept(listener, answers)),
        Runtime::Current => {
            for _ in 1..thread::available_parallelism()?.get() {
                let (listener, answers) = (listener.try_clone()?, answers.clone());
                let runtime = Builder::new_current_thread().enable_all().build()?;
                thread::spawn(move || runtime.block_on(accept(listener, answers)));
            }
            Builder::new_current_thread().enable_all().build()?.block_on(accept(listener, answers))
        }
    }
}

async fn accept<A: Answers>(listener: StdListener, answers: Arc<A>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        let service = service_fn(move |request| {
            let answers = answers.clone();
            async move { answers.answer(request).await.inspect_err(|error| eprintln!("baseline: {error:?}")) }
        });
        tokio::spawn(async move { builder().serve_connection(TokioIo::new(stream), service).await });
    }
}

/// Both protocols, as the gateway has them; its bounds and timeouts are our layer.
fn builder() -> auto::Builder<TokioExecutor> {
    auto::Builder::new(TokioExecutor::new())
}
