//! TLS before HTTP: a handshake, within a limit of time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::accept::Phase;

/// What connections are encrypted with: the certificate and its key. Who swaps it changes what new connections get; those that are open
/// keep what they have.
pub type Certificate = Arc<ArcSwap<ServerConfig>>;

/// A client that has not agreed by then is cut. It holds a connection's permit and nothing else.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The encrypted stream; `None` when there is none: the client speaks another protocol, is too slow, or the server ends.
pub(crate) async fn handshake(
    certificate: &Certificate,
    socket: TcpStream,
    mut phase: watch::Receiver<Phase>,
) -> Option<TlsStream<TcpStream>> {
    let agreed = TlsAcceptor::from(certificate.load_full()).accept(socket);
    let result = tokio::select! {
        result = tokio::time::timeout(HANDSHAKE_MAX, agreed) => result,
        _ = phase.changed() => return None,
    };
    match result {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS with a client");
            None
        }
        Err(_) => {
            tracing::debug!("a client did not agree on TLS in time");
            None
        }
    }
}
