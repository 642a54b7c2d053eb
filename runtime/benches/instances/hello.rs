//! A warm hello whose instances are reused, and one with a fresh sandbox for each request, against `wasmtime serve` doing the same
//! with its best flags. The first also beside bare hyper, the second beside the first.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::baseline::{self, wasmtime};
use crate::support::child::Server;
use crate::support::mode::Mode;
use crate::support::race::{self, Laps, Pace, Runner};
use crate::support::rows::{Bar, Figures, Rows, why};
use crate::support::site::Site;
use crate::support::{Request, places};

/// One way to live.
struct Way {
    name: &'static str,
    start: fn() -> Result<Rivals>,
    connections: &'static [usize],
    against_wasmtime: Bar,
    beside: &'static str,
    against_beside: Bar,
}

const REUSED: Way = Way {
    name: "instances reused",
    start: reused,
    connections: &[1, 16, 64],
    against_wasmtime: Bar::RatioFrom(1.5),
    beside: "bare hyper",
    against_beside: Bar::None,
};

const FRESH: Way = Way {
    name: "fresh sandboxes",
    start: fresh,
    connections: &[1, 16],
    against_wasmtime: Bar::RatioFrom(2.0),
    beside: "our own, instances reused",
    against_beside: Bar::RatioFrom(0.5),
};

/// How the fresh ones are deployed.
const FRESH_SECTIONS: &str = "[limits]\nconcurrency = 128\n[instances]\nreuse = \"request\"\n";

/// Two rows for each way and each number of connections.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    [REUSED, FRESH].iter().for_each(|way| measure_way(way, mode, rows));
}

fn measure_way(way: &Way, mode: Mode, rows: &mut Rows) {
    let rivals = (way.start)().map_err(why);
    for connections in way.connections {
        let race = rivals.as_ref().map_err(Clone::clone);
        let race = race.and_then(|rivals| rivals.race(mode, *connections, way).map_err(why));
        let against = |of: fn(&Race) -> Figures<[f64; 3]>| race.as_ref().map_err(Clone::clone).and_then(of);
        let name = |other: &str| format!("hello c={connections}, {} / {other}", way.name);
        rows.add(&name("wasmtime serve"), "/s", against(Race::wasmtime), way.against_wasmtime);
        rows.add(&name(way.beside), "/s", against(Race::beside), way.against_beside);
    }
}

struct Rivals {
    ours: Site,
    beside: Beside,
    /// It is fetched, which may fail: then its own rows say so.
    wasmtime: Figures<Server>,
    request: Request,
}

enum Beside {
    Baseline(Server),
    Ours(Site),
}

/// With reuse.
fn reused() -> Result<Rivals> {
    let hyper = baseline::start(&["hyper", "multi"])?;
    Rivals::start(with_reuse()?, Beside::Baseline(hyper), wasmtime::reused)
}

/// Without.
fn fresh() -> Result<Rivals> {
    let ours = Site::start()?;
    ours.deploy(&fs::read(places::guest("hello")?)?, "hello", FRESH_SECTIONS)?;
    Rivals::start(ours, Beside::Ours(with_reuse()?), wasmtime::fresh)
}

fn with_reuse() -> Result<Site> {
    let site = Site::start()?;
    site.deploy_guest("hello", "hello", "")?;
    Ok(site)
}

impl Beside {
    fn server(&self) -> &Server {
        match self {
            Self::Baseline(server) => server,
            Self::Ours(site) => &site.server,
        }
    }
}

impl Rivals {
    fn start(ours: Site, beside: Beside, wasmtime: fn(&std::path::Path) -> Result<Server>) -> Result<Self> {
        let wasmtime = wasmtime(&places::guest("hello")?).map_err(why);
        let rivals = Self { ours, beside, wasmtime, request: Request::get("/hello") };
        // Servers that do not say the same have not done the same work.
        for server in [&rivals.ours.server, rivals.beside.server()].into_iter().chain(&rivals.wasmtime) {
            let answer = rivals.request.ask(server.address)?;
            ensure!(answer.status == 200 && answer.body == b"hello\n", "it says {answer:?}");
        }
        Ok(rivals)
    }

    fn race(&self, mode: Mode, connections: usize, way: &Way) -> Result<Race> {
        let runner = |name, server| Runner { name, server, requests: std::slice::from_ref(&self.request) };
        let mut runners = vec![runner(way.name, &self.ours.server), runner(way.beside, self.beside.server())];
        runners.extend(self.wasmtime.iter().map(|server| runner("wasmtime serve", server)));
        let mut laps = race::run(&runners, connections, mode.pace(Pace::USUAL))?.into_iter();
        let (ours, beside) = laps.next().zip(laps.next()).context("not two")?;
        let wasmtime = match &self.wasmtime {
            Ok(_) => Ok(laps.next().context("not three")?),
            Err(why) => Err(why.clone()),
        };
        Ok(Race { ours, beside, wasmtime })
    }
}

struct Race {
    ours: Laps,
    beside: Laps,
    wasmtime: Figures<Laps>,
}

impl Race {
    fn wasmtime(&self) -> Figures<[f64; 3]> {
        self.wasmtime.as_ref().map(|wasmtime| self.ours.against(wasmtime)).map_err(Clone::clone)
    }

    fn beside(&self) -> Figures<[f64; 3]> {
        Ok(self.ours.against(&self.beside))
    }
}
