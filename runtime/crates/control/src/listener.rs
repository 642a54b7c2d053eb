//! The admin API's sockets: how many there are, how long a client may take before it asks, and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at a time. Those that come then wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;

/// How long a client may take to agree on TLS, and to send a request's head; the pause between two requests counts.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// The pause after an `accept` that failed: for want of descriptors only time helps.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections are encrypted with; whoever swaps it changes what new ones get.
pub type Certificate = Arc<ArcSwap<ServerConfig>>;

/// The address at the other end of a connection: whoever sent a request, or a proxy before them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// What the requests of a connection are answered with.
struct Calls {
    router: Router,
    remote: Remote,
}

/// Serves the admin API until `stop` is done, and then until the last request has its answer.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<Certificate>,
    router: Router,
    stop: impl Future<Output = ()> + Send,
) {
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = stop => {}
        () = accept_all(&listener, certificate.as_ref(), &router, &graceful) => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Never ends by itself.
async fn accept_all(
    listener: &TcpListener,
    certificate: Option<&Certificate>,
    router: &Router,
    graceful: &GracefulShutdown,
) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        let (socket, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the admin API cannot take a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (certificate, router, watcher) = (certificate.cloned(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            one(socket, certificate, Calls { router, remote: Remote(address) }, watcher).await;
            drop(permit);
        });
    }
}

async fn one(socket: TcpStream, certificate: Option<Certificate>, calls: Calls, watcher: Watcher) {
    let Some(certificate) = certificate else { return talk(socket, calls, watcher).await };
    let agreed = TlsAcceptor::from(certificate.load_full()).accept(socket);
    match tokio::time::timeout(HEAD_MAX, agreed).await {
        Ok(Ok(stream)) => talk(stream, calls, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client of the admin API"),
        Err(_) => tracing::debug!("a client of the admin API did not agree on TLS in time"),
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, calls: Calls, watcher: Watcher) {
    let Calls { router, remote } = calls;
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(remote);
        service.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection to the admin API ended early");
    }
}
