//! A warm hello.

use anyhow::{Result, anyhow, ensure};

use crate::baseline;
use crate::support::child::Server;
use crate::support::race::{self, Laps, Pace, Runner};
use crate::support::rows::{Bar, Figures, Rows, why};
use crate::support::site::Site;
use crate::support::{Request, places};

/// Our layers may cost a tenth of the throughput, no more.
const DIRECT: Bar = Bar::RatioFrom(0.90);

/// A guest in wasmtime's own driver had 0.37 of bare hyper at 16 connections when this was planned.
const HYPER: Bar = Bar::RatioFrom(0.25);

const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Two rows for each number of connections.
pub(crate) fn measure(site: &Figures<Site>, rows: &mut Rows) {
    let rivals = site.as_ref().map_err(Clone::clone).and_then(|site| Rivals::start(site).map_err(why));
    for connections in CONNECTIONS {
        let laps = rivals.as_ref().map_err(Clone::clone).and_then(|rivals| rivals.race(connections).map_err(why));
        let against = |baseline: fn(&[Laps; 3]) -> &Laps| match &laps {
            Ok(laps) => Ok(laps[0].against(baseline(laps))),
            Err(why) => Err(why.clone()),
        };
        rows.add(&format!("hello c={connections} / same driver"), "/s", against(|laps| &laps[1]), DIRECT);
        rows.add(&format!("hello c={connections} / bare hyper"), "/s", against(|laps| &laps[2]), HYPER);
    }
}

struct Rivals<'a> {
    ours: &'a Server,
    direct: Server,
    hyper: Server,
    request: Request,
}

impl<'a> Rivals<'a> {
    fn start(site: &'a Site) -> Result<Self> {
        let guest = places::text(&places::guest("hello")?)?;
        let direct = baseline::start(&["direct", "multi", &guest])?;
        let hyper = baseline::start(&["hyper", "multi"])?;
        let rivals = Self { ours: &site.server, direct, hyper, request: Request::get("/hello") };
        for server in [rivals.ours, &rivals.direct, &rivals.hyper] {
            let answer = rivals.request.ask(server.address)?;
            ensure!(answer.status == 200 && answer.body == b"hello\n", "it says {answer:?}");
        }
        Ok(rivals)
    }

    fn race(&self, connections: usize) -> Result<[Laps; 3]> {
        let runner = |name, server| Runner { name, server, requests: std::slice::from_ref(&self.request) };
        let runners =
            [runner("modelet", self.ours), runner("same driver", &self.direct), runner("bare hyper", &self.hyper)];
        let laps = race::run(&runners, connections, Pace::USUAL)?;
        laps.try_into().map_err(|_| anyhow!("not three"))
    }
}
