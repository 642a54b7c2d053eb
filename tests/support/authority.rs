//! An authority of the test's own, and the certificates that it gives.

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Each has a name of its own.
static MADE: AtomicUsize = AtomicUsize::new(1);

/// Whose certificates nobody trusts who was not told to.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn make() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        // With the same name as what it certifies, curl would see a certificate that vouches for itself.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        authority.distinguished_name.push(DnType::CommonName, format!("Authority {number}"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(authority, key), pem }
    }

    /// A certificate for these names, and its key.
    ///
    /// # Panics
    /// When one is no name.
    #[must_use]
    pub fn certify(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// Lays its own certificate as a file for those who are to trust it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn lay(&self, file: &Path) {
        fs::write(file, &self.pem).unwrap();
    }

    /// Lays a certificate for these names and its key as `cert.pem` and `key.pem`.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn lay_certificate(&self, names: &[&str], folder: &Path) -> [PathBuf; 2] {
        let (certificate, key) = self.certify(names);
        let files = ["cert.pem", "key.pem"].map(|name| folder.join(name));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }
}
