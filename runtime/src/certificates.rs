//! The server's own certificates: read, checked, and read again when the operator says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a listener's clients are offered, most wanted first.
const DATA_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];
const ADMIN_PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// Where a listener's certificate lies, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate and those that lead to an authority, in PEM.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub(crate) key: Option<PathBuf>,
}

/// What both listeners encrypt with; `None`: they do not.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// The data plane's.
    pub(crate) data: Option<Arc<ArcSwap<ServerConfig>>>,
    /// The admin API's.
    pub(crate) admin: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl TlsFiles {
    /// Whether connections are encrypted.
    pub(crate) fn is_given(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }

    /// Reads both files, if they are named.
    ///
    /// # Errors
    /// One is named without the other, cannot be read, or they do not belong together.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.load(DATA_PROTOCOLS).map(drop)
    }

    fn load(&self, protocols: &[&[u8]]) -> Result<Option<Arc<ServerConfig>>, String> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => load(certificate, key, protocols).map(Some),
            (Some(_), None) => Err("is a certificate without its key: name both".to_owned()),
            (None, Some(_)) => Err("is a key without its certificate: name both".to_owned()),
        }
    }
}

impl Certificates {
    /// Reads what is named.
    ///
    /// # Errors
    /// Those of [`TlsFiles::check`].
    pub(crate) fn load(data: &TlsFiles, admin: &TlsFiles) -> Result<Self, String> {
        let swap = |config: Option<Arc<ServerConfig>>| config.map(|config| Arc::new(ArcSwap::new(config)));
        Ok(Self { data: swap(data.load(DATA_PROTOCOLS)?), admin: swap(admin.load(ADMIN_PROTOCOLS)?) })
    }

    /// Reads them again; connections that are open keep what they have. A listener that is not encrypted stays so until a restart.
    ///
    /// # Errors
    /// Those of [`TlsFiles::check`]; then nothing has changed.
    pub(crate) fn reload(&self, data: &TlsFiles, admin: &TlsFiles) -> Result<(), String> {
        let read = Self::load(data, admin)?;
        for (running, read) in [(&self.data, read.data), (&self.admin, read.admin)] {
            if let (Some(running), Some(read)) = (running, read) {
                running.store(read.load_full());
            }
        }
        Ok(())
    }
}

/// The certificates of a PEM file; one at least.
///
/// # Errors
/// It cannot be read, or has none.
pub(crate) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let why = |error: &dyn std::fmt::Display| format!("{} holds no certificates in PEM: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| why(&error))?;
    if certificates.is_empty() { Err(why(&"it has none")) } else { Ok(certificates) }
}

fn load(certificate: &Path, key: &Path, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, String> {
    let chain = read(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("{} holds no private key in PEM: {error}", key.display()))?;
    // ring: it builds in seconds, with a C compiler alone.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let built = builder.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = built.map_err(|error| {
        format!("{} and {} do not make a certificate: {error}", certificate.display(), key.display())
    })?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
