//! Which server a command talks to, and with which key.
//!
//! `--url` with MODELET_KEY for any server; on the server's own machine neither is needed: the running server writes
//! where it listens into its data directory, beside the admin key.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use modelet_control::ADMIN_KEY_FILE;
use serde::{Deserialize, Serialize};

use super::ServerArgs;
use crate::config::DATA_DIR_DEFAULT;

/// The file in the data directory that says where its server listens.
pub(crate) const SERVER_FILE: &str = "server.json";

/// Where a running server listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// Its admin API.
    pub(crate) admin_url: String,
    /// Its functions.
    pub(crate) data_url: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// A server to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its admin API, without a slash at the end.
    pub(crate) admin_url: String,
    /// Its functions, when the data directory says so.
    pub(crate) data_url: Option<String>,
    /// The key for the admin API.
    pub(crate) key: Option<String>,
    /// Whose certificates are believed.
    pub(crate) trust: Trust,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The server that this data directory names, on this machine: whoever could stand in for it could do so without TLS.
    Own,
    /// Servers with a certificate for their name, of the usual authorities or of those in this file instead.
    Authorities(Option<PathBuf>),
}

impl Found {
    /// The server that the flags, the environment or the current folder mean.
    pub(crate) fn of(args: &ServerArgs) -> anyhow::Result<Self> {
        let key = std::env::var("MODELET_KEY").ok().filter(|k| !k.is_empty());
        if let Some(url) = &args.url {
            check_url(url)?;
            let trust = Trust::Authorities(args.ca_file.clone());
            return Ok(Self { admin_url: url.trim_end_matches('/').to_owned(), data_url: None, key, trust });
        }
        let dir = match &args.data_dir {
            Some(dir) => dir.clone(),
            None => nearest(&std::env::current_dir()?),
        };
        let listening = read(&dir)?;
        let key = key.or_else(|| {
            let text = std::fs::read_to_string(dir.join(ADMIN_KEY_FILE)).ok()?;
            Some(text.trim().to_owned())
        });
        Ok(Self { admin_url: listening.admin_url, data_url: Some(listening.data_url), key, trust: Trust::Own })
    }
}

/// A key is not sent in the clear to another machine.
fn check_url(url: &str) -> anyhow::Result<()> {
    if url.starts_with("https://") {
        return Ok(());
    }
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("--url is `{url}`: write https://HOST:PORT, or http://127.0.0.1:PORT on this machine");
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(authority, |(host, _)| host);
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    bail!("--url is `{url}`, which would show your key to the network: write https://, or go through an SSH tunnel")
}

/// The data directory of this folder or of the nearest one above that has a running server.
fn nearest(from: &Path) -> PathBuf {
    let candidates = from.ancestors().map(|folder| folder.join(DATA_DIR_DEFAULT));
    candidates.into_iter().find(|dir| dir.join(SERVER_FILE).is_file()).unwrap_or_else(|| DATA_DIR_DEFAULT.into())
}

fn read(dir: &Path) -> anyhow::Result<Listening> {
    let file = dir.join(SERVER_FILE);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => bail!(
            "no server runs on the data directory {}: start one with `modelet serve`, or name another by --data-dir or --url",
            dir.display()
        ),
        Err(e) => bail!("{} cannot be read: {e}; run the command as the server's user", file.display()),
    };
    // Whoever can write here would get what is deployed.
    let owner = std::fs::metadata(dir)?.uid();
    if owner != rustix::process::getuid().as_raw() {
        bail!(
            "the data directory {} belongs to another user: run the command as that user, or use --url",
            dir.display()
        );
    }
    serde_json::from_str(&text).with_context(|| format!("{} is damaged: restart the server", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_running_server_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let function = root.path().join("functions/one");
        std::fs::create_dir_all(&function).unwrap();
        std::fs::create_dir_all(function.join(DATA_DIR_DEFAULT)).unwrap();
        let data = root.path().join(DATA_DIR_DEFAULT);
        std::fs::create_dir_all(&data).unwrap();
        assert_eq!(nearest(&function), Path::new(DATA_DIR_DEFAULT), "none runs");
        std::fs::write(data.join(SERVER_FILE), "{}").unwrap();
        assert_eq!(nearest(&function), data);
    }

    #[test]
    fn no_server_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("modelet serve") && error.contains("--url"), "{error}");
    }
}
