//! From an allowed origin to a connection: the name is resolved once, and what it led to is looked up in the rules before
//! any of it is connected to. There is no second look-up that a name server could answer differently.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use modelet_engine::ports::{OutboundError, OutboundFault};
use modelet_spec::outbound::{AddressKind, OutboundRules, OutboundScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Private;
use super::resolve::Resolve;
use super::target::Target;
use super::tls;

/// Addresses of one name that are tried. More would only make a host that is down take longer.
const ADDRESSES_MAX: usize = 4;

/// A connection, encrypted or not.
pub(super) type Stream = Pin<Box<dyn ReadWrite>>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

/// Makes connections.
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    private: Private,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        private: Private,
        roots: rustls::RootCertStore,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { resolver, private, tls: tls::connector(roots)? })
    }

    /// A connection to an origin that the rules allow.
    pub(super) async fn connect(
        &self,
        rules: &OutboundRules,
        target: &Target,
        until: Instant,
    ) -> Result<Stream, OutboundError> {
        let late = |_| OutboundError::new(OutboundFault::ConnectTimeout, "no connection in time");
        let connecting = async {
            let addresses = self.addresses(rules, target).await?;
            let stream = tcp(&addresses, target.port).await?;
            match target.scheme {
                OutboundScheme::Http => Ok(Box::pin(stream) as Stream),
                OutboundScheme::Https => Ok(Box::pin(tls::open(&self.tls, &target.host, stream).await?) as Stream),
            }
        };
        tokio::time::timeout_at(until.into(), connecting).await.map_err(late)?
    }

    /// Those addresses of the host that may be connected to; at least one.
    async fn addresses(&self, rules: &OutboundRules, target: &Target) -> Result<Vec<IpAddr>, OutboundError> {
        let found = match target.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.resolver.resolve(&target.host).await;
                found.map_err(|error| unresolved(&format!("the name cannot be resolved: {error}")))?
            }
        };
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.allow(rules, target, address) {
                Ok(()) => allowed.push(address),
                Err(kind) => refused = refused.or(Some((address, kind))),
            }
        }
        allowed.truncate(ADDRESSES_MAX);
        match refused {
            _ if !allowed.is_empty() => Ok(allowed),
            Some((address, kind)) => Err(self.denied(target, address, kind)),
            None => Err(unresolved("the name has no address")),
        }
    }

    fn allow(&self, rules: &OutboundRules, target: &Target, address: IpAddr) -> Result<(), AddressKind> {
        match (self.private, AddressKind::of(address)) {
            (_, AddressKind::Public) | (Private::Named, _) => rules.allow_address(target.scheme, address, target.port),
            (Private::Never, kind) => Err(kind),
        }
    }

    fn denied(&self, target: &Target, address: IpAddr, kind: AddressKind) -> OutboundError {
        let address = address.to_canonical().to_string();
        let fix = match self.private {
            Private::Named => format!("if that is meant, add {:?} to [outbound] allow", target.origin(&address)),
            Private::Never => "no function of this server may call such (`private` in its [outbound])".to_owned(),
        };
        OutboundError::new(OutboundFault::AddressDenied, format!("refused: it leads to {address}, {kind}; {fix}"))
    }
}

fn unresolved(why: &str) -> OutboundError {
    OutboundError::new(OutboundFault::Unresolved, why)
}

/// The first of these addresses that answers.
async fn tcp(addresses: &[IpAddr], port: u16) -> Result<TcpStream, OutboundError> {
    let mut failed = unresolved("the name has no address");
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                // A request is written in whole pieces: waiting to fill a packet only adds its time.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failed = no_connection(*address, port, &error),
        }
    }
    Err(failed)
}

fn no_connection(address: IpAddr, port: u16, error: &io::Error) -> OutboundError {
    let fault = match error.kind() {
        io::ErrorKind::ConnectionRefused => OutboundFault::Refused,
        io::ErrorKind::TimedOut => OutboundFault::ConnectTimeout,
        _ => OutboundFault::Unreachable,
    };
    OutboundError::new(fault, format!("no connection to {}: {error}", SocketAddr::new(address, port)))
}
