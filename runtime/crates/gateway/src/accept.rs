//! Takes connections: first a permit, then a socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::connection;
use crate::gateway::Gateway;
use crate::tls::{self, Certificate};

/// How far a shutdown has come, as each connection sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Requests are taken.
    Serving,
    /// Open requests may end, new ones are not taken.
    Draining,
    /// Whatever is still open is cut.
    Closed,
}

/// How a server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the time for draining was over.
    pub cut: usize,
}

/// The pause after an `accept` that failed for want of descriptors or memory: only time helps, and a loop would burn a core.
const PAUSE: Duration = Duration::from_millis(50);

impl Gateway {
    /// Serves `listener` until `shutdown` is done, then lets open requests end, for [`drain`](crate::GatewayConfig::drain)
    /// at most. May be called once per listener; all share the limits. With a certificate, connections are encrypted.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        certificate: Option<Certificate>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Drained {
        let (phase, _) = watch::channel(Phase::Serving);
        tokio::select! {
            biased;
            () = shutdown => {}
            () = accept_all(&self, &listener, certificate.as_ref(), &phase) => {}
        }
        // The port is free from here on: clients are refused, not left waiting.
        drop(listener);
        drain(phase, self.config.drain).await
    }
}

/// Never ends by itself.
async fn accept_all(
    gateway: &Arc<Gateway>,
    listener: &TcpListener,
    certificate: Option<&Certificate>,
    phase: &watch::Sender<Phase>,
) {
    while let Ok(permit) = gateway.connections.clone().acquire_owned().await {
        let socket = accept(listener).await;
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        spawn(gateway.clone(), socket, certificate.cloned(), phase.subscribe(), permit);
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            // The client left between its connect and our accept; the next one is waiting.
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the data plane cannot take a connection; raise the limit of open files");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn spawn(
    gateway: Arc<Gateway>,
    socket: TcpStream,
    certificate: Option<Certificate>,
    phase: watch::Receiver<Phase>,
    permit: OwnedSemaphorePermit,
) {
    match certificate {
        None => tokio::spawn(async move {
            connection::serve(gateway, socket, false, phase).await;
            drop(permit);
        }),
        Some(certificate) => tokio::spawn(async move {
            if let Some(stream) = tls::handshake(&certificate, socket, phase.clone()).await {
                connection::serve(gateway, stream, true, phase).await;
            }
            drop(permit);
        }),
    };
}

/// Waits until the last connection has dropped its end of `phase`.
async fn drain(phase: watch::Sender<Phase>, limit: Duration) -> Drained {
    phase.send_replace(Phase::Draining);
    if tokio::time::timeout(limit, phase.closed()).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = phase.receiver_count();
    tracing::warn!(connections = cut, "requests did not end within the drain time and are cut");
    phase.send_replace(Phase::Closed);
    phase.closed().await;
    Drained { cut }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_ends_with_the_last_connection() {
        let (phase, mut connection) = watch::channel(Phase::Serving);
        let open =
            tokio::spawn(async move { connection.wait_for(|phase| *phase == Phase::Draining).await.map(|_| ()) });
        assert_eq!(drain(phase, Duration::from_secs(60)).await, Drained { cut: 0 });
        open.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_does_not_end_in_the_drain_time_is_cut() {
        let (phase, mut connection) = watch::channel(Phase::Serving);
        let open = tokio::spawn(async move { connection.wait_for(|phase| *phase == Phase::Closed).await.map(|_| ()) });
        assert_eq!(drain(phase, Duration::from_millis(1)).await, Drained { cut: 1 });
        open.await.unwrap().unwrap();
    }
}
