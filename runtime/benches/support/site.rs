//! `modelet serve`, of the release profile, and what is deployed to it, all through the command line.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use modelet_store::Store;
use serde::Deserialize;
use tempfile::TempDir;

use super::child::Server;
use super::places;
use super::{Request, metrics::Metrics};

/// Built by Cargo before this bench, in its profile.
const MODELET: &str = env!("CARGO_BIN_EXE_modelet");

/// What the server says before the address of its routes.
const LISTENING: &str = "functions  http://";

/// A running server.
pub(crate) struct Site {
    /// Its process; before its folder, so that it ends first.
    pub(crate) server: Server,
    folder: TempDir,
    data: String,
}

impl Site {
    /// Starts a server whose data directory is empty.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start() -> Result<Self> {
        Self::with_tenants(&[])
    }

    /// The same, with more tenants than the one that is always there.
    ///
    /// # Errors
    /// When a name is none, or it does not start.
    pub(crate) fn with_tenants(names: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = places::text(&folder.path().join("data"))?;
        let store = Store::open(Path::new(&data))?;
        names.iter().try_for_each(|name| anyhow::Ok(store.create_tenant(&name.parse()?)?))?;
        // The server wants the lock.
        drop(store);
        let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let serve = [&["serve", "--data-dir", &data], &free[..]].concat();
        let server = Server::start(Path::new(MODELET), &serve, LISTENING)?;
        Ok(Self { server, folder, data })
    }

    /// Deploys a test guest under the route `/NAME`, with room for all connections of a measurement, so that none waits for
    /// a permit. `extra` is what its manifest says besides; model files in it are absolute paths.
    ///
    /// # Errors
    /// When the deploy fails.
    pub(crate) fn deploy_guest(&self, guest: &str, name: &str, extra: &str) -> Result<()> {
        let project = self.folder.path().join(name);
        fs::create_dir(&project)?;
        fs::copy(places::guest(guest)?, project.join("guest.wasm"))?;
        fs::write(project.join("function.toml"), manifest(name, extra))?;
        self.modelet(&["deploy", &places::text(&project)?])?;
        Ok(())
    }

    /// What the server counts now.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let answer = Request::get("/metrics").ask(self.admin()?)?;
        ensure!(answer.status == 200, "/metrics says {}", answer.status);
        Ok(Metrics(String::from_utf8(answer.body)?))
    }

    /// Where the server keeps everything.
    pub(crate) fn data(&self) -> PathBuf {
        PathBuf::from(&self.data)
    }

    fn admin(&self) -> Result<SocketAddr> {
        let listening: Listening = serde_json::from_slice(&fs::read(self.data().join("server.json"))?)?;
        let address = listening.admin_url.strip_prefix("http://").context("an admin URL without http://")?;
        Ok(address.parse()?)
    }

    /// Runs the command line against this server; what it prints.
    ///
    /// # Errors
    /// What it says when it fails.
    pub(crate) fn modelet(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(MODELET);
        command.args(arguments).args(["--data-dir", &self.data]);
        command.env_remove("MODELET_URL").env_remove("MODELET_KEY").stdin(Stdio::null());
        let output = command.output().context("starting `modelet`")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`modelet {}`: {}", arguments.join(" "), said.trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// What the server says of itself in its data directory.
#[derive(Deserialize)]
struct Listening {
    admin_url: String,
}

fn manifest(name: &str, extra: &str) -> String {
    format!(
        "name = \"{name}\"\n[build]\ncomponent = \"guest.wasm\"\n[[route]]\npath = \"/{name}\"\nauth = \"none\"\n{extra}\
         [limits]\nconcurrency = 128\n[instances]\nmax_requests = 1000000\n"
    )
}
