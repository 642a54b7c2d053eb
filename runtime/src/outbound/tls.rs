//! TLS by rustls: whom it trusts, and what is said when it does not.

use std::path::Path;
use std::sync::Arc;

use modelet_engine::ports::{OutboundError, OutboundFault};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates;

/// Mozilla's authorities, and those of a PEM file, if there is one.
///
/// # Errors
/// When the file cannot be read, or holds no certificate of an authority.
pub(crate) fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = file else { return Ok(roots) };
    for certificate in certificates::read(file)? {
        let why = |error| format!("{} holds no certificates in PEM: {error}", file.display());
        roots.add(certificate).map_err(why)?;
    }
    Ok(roots)
}

/// What makes TLS of connections, by ring: it builds in seconds, with a C compiler alone.
pub(super) fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Agrees on keys with whom `host` names, by its certificate.
pub(super) async fn open(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, OutboundError> {
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|error| OutboundError::new(OutboundFault::Malformed, format!("not sent: {error}")))?;
    connector.connect(name, stream).await.map_err(|error| untrusted(&error))
}

fn untrusted(error: &std::io::Error) -> OutboundError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let fix = "an authority of your own is trusted by `ca_file` in the server's [outbound]";
            OutboundError::new(OutboundFault::Certificate, format!("its certificate is not trusted: {why}; {fix}"))
        }
        _ => OutboundError::new(OutboundFault::Tls, format!("no TLS with it: {error}")),
    }
}
