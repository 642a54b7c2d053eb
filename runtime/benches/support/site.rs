//! `modelet serve`, of the release profile, and what is deployed to it, all through the command line.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use modelet_store::Store;
use serde::Deserialize;
use tempfile::TempDir;

use super::child::{Cores, Server};
use super::places;
use super::{Request, metrics::Metrics};

/// Built by Cargo before this bench, in its profile.
const MODELET: &str = env!("CARGO_BIN_EXE_modelet");

/// What the server says before the address of its routes.
const LISTENING: &str = "functions  http://";

/// A server that is not ready by then, or whatever else is waited for, has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(2);

/// A running server.
pub(crate) struct Site {
    /// Its process; before its folder, so that it ends first.
    pub(crate) server: Server,
    folder: TempDir,
    data: String,
    cores: Cores,
    variables: &'static [(&'static str, &'static str)],
}

impl Site {
    /// Starts a server whose data directory is empty.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start() -> Result<Self> {
        Self::start_in(&[])
    }

    /// The same, with more tenants than the one that is always there.
    ///
    /// # Errors
    /// When a name is none, or it does not start.
    pub(crate) fn with_tenants(names: &[String]) -> Result<Self> {
        Self::open(&[], names)
    }

    /// The same with these variables of its configuration, also after a restart.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start_in(variables: &'static [(&'static str, &'static str)]) -> Result<Self> {
        Self::open(variables, &[])
    }

    /// The same on all cores, which it shares with whoever asks it.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start_on_all_cores(variables: &'static [(&'static str, &'static str)]) -> Result<Self> {
        Self::open_on(Cores::All, variables, &[])
    }

    fn open(variables: &'static [(&'static str, &'static str)], tenants: &[String]) -> Result<Self> {
        Self::open_on(Cores::One, variables, tenants)
    }

    fn open_on(cores: Cores, variables: &'static [(&'static str, &'static str)], tenants: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = places::text(&folder.path().join("data"))?;
        let store = Store::open(Path::new(&data))?;
        tenants.iter().try_for_each(|name| {
            anyhow::Ok(
                store
                    .by(&modelet_store::Actor::Server)
                    .create_tenant(&name.parse()?, &modelet_spec::Claims::default())?,
            )
        })?;
        // The server wants the lock.
        drop(store);
        let server = serve(cores, variables, &data)?;
        Ok(Self { server, folder, data, cores, variables })
    }

    /// Ends the server and starts it again; how long it took from its start until it was ready.
    ///
    /// # Errors
    /// When it does not start, or is not ready within a minute.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        self.server.stop();
        let begun = Instant::now();
        self.server = serve(self.cores, self.variables, &self.data)?;
        let admin = self.admin()?;
        let is_ready = || Ok(Request::get("/readyz").ask(admin)?.status == 200);
        wait("the server is ready", is_ready)?;
        Ok(begun.elapsed())
    }

    /// Waits until `is_so` of what the server counts.
    ///
    /// # Errors
    /// When it does not tell, or that is not so within a minute.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Result<()> {
        wait(what, || Ok(is_so(&self.metrics()?)))
    }

    /// Deploys a test guest under the route `/NAME`, with room for all connections of a measurement, so that none waits for
    /// a permit. `extra` is what its manifest says besides; model files in it are absolute paths.
    ///
    /// # Errors
    /// When the deploy fails.
    pub(crate) fn deploy_guest(&self, guest: &str, name: &str, extra: &str) -> Result<()> {
        self.deploy_roomy(&fs::read(places::guest(guest)?)?, name, extra)
    }

    /// The same of any component.
    ///
    /// # Errors
    /// When the deploy fails.
    pub(crate) fn deploy_roomy(&self, component: &[u8], name: &str, extra: &str) -> Result<()> {
        self.deploy(component, name, &[extra, ROOMY].concat())
    }

    /// Deploys a component under the route `/NAME`. `sections` is what its manifest says besides.
    ///
    /// # Errors
    /// When the deploy fails.
    pub(crate) fn deploy(&self, component: &[u8], name: &str, sections: &str) -> Result<()> {
        self.modelet(&["deploy", &self.project(component, name, sections)?])?;
        Ok(())
    }

    /// Lays a component and its manifest, ready to be deployed; the folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn project(&self, component: &[u8], name: &str, sections: &str) -> Result<String> {
        let project = self.folder.path().join(name);
        fs::create_dir(&project)?;
        fs::write(project.join("guest.wasm"), component)?;
        fs::write(project.join("function.toml"), manifest(name, sections))?;
        places::text(&project)
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

    /// The operator's key.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.data().join("admin.key"))?.trim().to_owned())
    }

    /// Where its admin API answers.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn admin(&self) -> Result<SocketAddr> {
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

/// Room for all connections of a measurement, and instances that stay.
const ROOMY: &str = "[limits]\nconcurrency = 128\n[instances]\nmax_requests = 1000000\n";

/// A manifest of a function with the route `/NAME`, open to all.
pub(crate) fn manifest(name: &str, sections: &str) -> String {
    manifest_at(name, &format!("/{name}"), sections)
}

/// The same with another route.
pub(crate) fn manifest_at(name: &str, path: &str, sections: &str) -> String {
    let head = format!("name = \"{name}\"\n[build]\ncomponent = \"guest.wasm\"\n");
    format!("{head}[[route]]\npath = \"{path}\"\nauth = \"none\"\n{sections}")
}

fn serve(cores: Cores, variables: &[(&str, &str)], data: &str) -> Result<Server> {
    let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let arguments = [&["serve", "--data-dir", data], &free[..]].concat();
    Server::start_on(cores, variables, Path::new(MODELET), &arguments, LISTENING)
}

fn wait(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < PATIENCE, "waited for a minute until {what}");
        thread::sleep(POLL);
    }
    Ok(())
}
