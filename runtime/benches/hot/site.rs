//! `modelet serve`, of the release profile, with the functions that are measured.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::support::child::Server;
use crate::support::places;

/// Built by Cargo before this bench, in its profile.
const MODELET: &str = env!("CARGO_BIN_EXE_modelet");

/// What the server says before the address of its routes.
const LISTENING: &str = "functions  http://";

/// A running server.
pub(crate) struct Site {
    /// Its process; before its folder, so that it ends first.
    pub(crate) server: Server,
    _folder: TempDir,
}

impl Site {
    /// Starts the server and deploys the functions: `/hello`, `/nn-loop`, `/digits`.
    ///
    /// # Errors
    /// When the server or a deploy fails.
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = places::text(&folder.path().join("data"))?;
        let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let serve = [&["serve", "--data-dir", &data], &free[..]].concat();
        let server = Server::start(Path::new(MODELET), &serve, LISTENING)?;
        let digits = places::root().join("functions/digits");
        for (name, extra) in [("hello", ""), ("nn_loop", "[models]\ndigits = { file = \"digits.onnx\" }\n")] {
            let project = folder.path().join(name);
            fs::create_dir(&project)?;
            fs::copy(places::guest(name)?, project.join("guest.wasm"))?;
            fs::copy(places::digits()?, project.join("digits.onnx"))?;
            fs::write(project.join("function.toml"), manifest(name, extra))?;
            deploy(&project, &data)?;
        }
        deploy(&digits, &data)?;
        Ok(Self { server, _folder: folder })
    }
}

/// A guest with room for all connections of a measurement, so that none waits for a permit.
fn manifest(guest: &str, extra: &str) -> String {
    let name = guest.replace('_', "-");
    format!(
        "name = \"{name}\"\n[build]\ncomponent = \"guest.wasm\"\n[[route]]\npath = \"/{name}\"\nauth = \"none\"\n{extra}\
         [limits]\nconcurrency = 128\n[instances]\nmax_requests = 1000000\n"
    )
}

fn deploy(project: &Path, data: &str) -> Result<()> {
    let mut deploy = Command::new(MODELET);
    deploy.arg("deploy").arg(project).args(["--data-dir", data]);
    deploy.env_remove("MODELET_URL").env_remove("MODELET_KEY").stdin(Stdio::null());
    let output = deploy.output().context("starting `modelet deploy`")?;
    if !output.status.success() {
        bail!("`modelet deploy {}`: {}", project.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
