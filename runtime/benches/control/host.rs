//! A server with many functions and what is asked of its admin API.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::Request;
use crate::support::answer::Answer;
use crate::support::load::Caller;
use crate::support::places;
use crate::support::site::Site;
use crate::support::stored;

/// A server, and a connection to its admin API.
pub(crate) struct Host {
    pub(crate) site: Site,
    key: String,
    admin: Caller,
    /// How many times it was measured.
    laps: u32,
}

impl Host {
    /// With one function that was deployed, `seed`, and `functions` more that were put into its store with `versions` each: so many
    /// rows has its audit, too.
    ///
    /// # Errors
    /// When it does not start, or refuses them.
    pub(crate) fn start(functions: u32, versions: u32) -> Result<Self> {
        let mut site = Site::start()?;
        site.deploy_guest("hello", "seed", "")?;
        site.server.stop();
        stored::put(&site.data(), functions, versions)?;
        site.restart()?;
        let key = site.key()?;
        let admin = Caller::patient(site.admin()?)?;
        Ok(Self { site, key, admin, laps: 0 })
    }

    /// Ends the server and starts it again; how long it took until it was ready.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        let took = self.site.restart()?;
        self.admin = Caller::patient(self.site.admin()?)?;
        Ok(took)
    }

    /// A number that no lap before had.
    pub(crate) fn next_lap(&mut self) -> u32 {
        self.laps += 1;
        self.laps
    }

    /// Where functions answer.
    pub(crate) fn address(&self) -> SocketAddr {
        self.site.server.address
    }

    /// Reads from the admin API.
    ///
    /// # Errors
    /// When it does not answer with 200.
    pub(crate) fn get(&mut self, path: &str) -> Result<(Value, Duration)> {
        let (answer, took) = self.admin.wait(&Request::get(path).signed(&self.key))?;
        ensure!(answer.status == 200, "GET {path}: {}", told(&answer));
        Ok((serde_json::from_slice(&answer.body)?, took))
    }

    /// Has the admin API do something.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<(Value, Duration)> {
        let (answer, took) = self.admin.wait(&Request::post(path, &body.to_string()).signed(&self.key))?;
        ensure!(matches!(answer.status, 200 | 201), "POST {path}: {}", told(&answer));
        Ok((serde_json::from_slice(&answer.body)?, took))
    }

    /// Sends a test guest's component; its digest.
    ///
    /// # Errors
    /// When it is not built, or refused.
    pub(crate) fn component(&mut self, guest: &str) -> Result<Value> {
        let bytes = std::fs::read(places::guest(guest)?)?;
        let request = Request::post_bytes("/v1/blobs", "application/octet-stream", &bytes).signed(&self.key);
        let (answer, _) = self.admin.wait(&request)?;
        ensure!(answer.status == 201, "a blob: {}", told(&answer));
        let blob: Value = serde_json::from_slice(&answer.body)?;
        blob.get("digest").cloned().context("a blob without a digest")
    }

    /// Deploys a component that was sent under the route `/NAME`; how long it took.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) fn deploy(&mut self, name: &str, component: &Value) -> Result<Duration> {
        let manifest = json!({ "name": name, "route": [{ "path": format!("/{name}"), "auth": "none" }] });
        Ok(self.post("/v1/functions", &json!({ "manifest": manifest, "component": component }))?.1)
    }
}

fn told(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}
