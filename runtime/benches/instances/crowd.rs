//! Ten thousand deployed functions, of which nobody asks any: what they take of memory, of a restart, of the next deploy, and of
//! the first call of one of them. The baseline has one.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::components::numbered;
use crate::support::Request;
use crate::support::load::Caller;
use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Figures, Rows, median, milliseconds, quantile, why};
use crate::support::site::Site;
use crate::support::stored;

const ROUNDS: usize = 5;
const FUNCTIONS: u32 = 10_000;
const COMPONENTS: u32 = 20;

/// How many that nobody has called are called in a round: all rounds together fewer than a server has instances.
const CALLED: u32 = 150;

/// What the start has used and freed is given back by then.
const SETTLE: Duration = Duration::from_millis(500);

/// Numbers of components that no other deploy has had begin here.
const NEW: u32 = 1 << 20;

const MEMORY: Bar = Bar::To(300.0, "MiB");
const READY: Bar = Bar::To(3000.0, "ms");
const DEPLOY: Bar = Bar::To(100.0, "ms");
const FIRST_CALL: Bar = Bar::To(3000.0, "us");

/// Of one side in one round.
struct Lap {
    ready_ms: f64,
    memory_mib: f64,
    /// A deploy whose component is known.
    known_ms: f64,
    /// A deploy whose component is new, and compiled.
    new_ms: f64,
}

/// Five rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let told = told(mode).map_err(why);
    let of =
        |figure: fn(&Lap) -> f64| told.as_ref().map(|told| race::summary(&told.laps, figure)).map_err(Clone::clone);
    rows.add("memory of 10,000 idle functions / of one", "MiB", of(|lap| lap.memory_mib), MEMORY);
    rows.add("restart to ready with 10,000 functions / with one", "ms", of(|lap| lap.ready_ms), READY);
    rows.add("deploy of one more, code known, beside 10,000 / beside one", "ms", of(|lap| lap.known_ms), DEPLOY);
    let added = |told: &Told| {
        let [_, theirs, ratio] = race::summary(&told.laps, |lap| lap.new_ms);
        let added = told.laps.iter().map(|[ours, one]| ours.new_ms - one.new_ms).collect::<Vec<_>>();
        [median(&added), theirs, ratio]
    };
    let compiled: Figures<_> = told.as_ref().map(added).map_err(Clone::clone);
    rows.add("deploy of one more, compiled, beside 10,000 adds to the same beside one", "ms", compiled, DEPLOY);
    let first = told.as_ref().map(|told| first_call(&told.calls)).map_err(Clone::clone);
    rows.add("p99 of never-called functions among 10,000 adds to a warm one's", "us", first, FIRST_CALL);
}

struct Told {
    laps: Vec<[Lap; 2]>,
    /// The p99 of first calls, and of a warm function's between them, in microseconds.
    calls: Vec<[f64; 2]>,
}

fn first_call(calls: &[[f64; 2]]) -> [f64; 3] {
    let [_, warm, ratio] = race::summary(calls, |us| *us);
    let added: Vec<f64> = calls.iter().map(|[first, warm]| first - warm).collect();
    [median(&added), warm, ratio]
}

fn told(mode: Mode) -> Result<Told> {
    let mut crowd = Side::start(mode.count(COMPONENTS, 3), mode.count(FUNCTIONS, 200))?;
    let mut one = Side::start(1, 0)?;
    let (rounds, called) = (if mode.is_short { 1 } else { ROUNDS }, mode.count(CALLED, 20));
    let mut calls = Vec::new();
    let ours = || {
        let ready = crowd.restart()?;
        calls.push(crowd.call(called)?);
        tell("10,000 functions", crowd.lap(ready)?)
    };
    let theirs = || {
        let ready = one.restart()?;
        tell("one function", one.lap(ready)?)
    };
    let laps = race::pairs(rounds, ours, theirs)?;
    // The first round warms up, as everywhere.
    Ok(Told { laps, calls: calls.split_off(1) })
}

fn tell(name: &str, lap: Lap) -> Result<Lap> {
    let Lap { ready_ms, memory_mib, known_ms, new_ms } = lap;
    eprintln!(
        "bench: {name}: {memory_mib:.1} MiB, ready after {ready_ms:.0} ms; deploys {known_ms:.0}, {new_ms:.0} ms"
    );
    Ok(lap)
}

/// A server with so many functions.
struct Side {
    site: Site,
    /// Functions that were called; each only once.
    called: u32,
    /// Functions that were deployed since.
    deployed: u32,
}

/// A server that is ready and idle.
struct Ready {
    ms: f64,
    memory_mib: f64,
}

impl Side {
    /// Some functions are deployed, a component each; the others are made of them, in the store.
    fn start(components: u32, functions: u32) -> Result<Self> {
        let mut site = Site::start()?;
        for at in 0..components {
            site.deploy(&numbered("hello", at)?, &format!("seed-{at}"), "")?;
        }
        site.server.stop();
        stored::put(&site.data(), functions, 1)?;
        Ok(Self { site, called: 0, deployed: 0 })
    }

    fn restart(&mut self) -> Result<Ready> {
        let ms = milliseconds(self.site.restart()?);
        thread::sleep(SETTLE);
        Ok(Ready { ms, memory_mib: self.site.server.memory()? as f64 / f64::from(1 << 20) })
    }

    fn lap(&mut self, ready: Ready) -> Result<Lap> {
        let known_ms = self.deploy(0)?;
        let new_ms = self.deploy(NEW + self.deployed)?;
        Ok(Lap { ready_ms: ready.ms, memory_mib: ready.memory_mib, known_ms, new_ms })
    }

    /// One more function of this component, through the command line.
    fn deploy(&mut self, component: u32) -> Result<f64> {
        let name = format!("more-{}", self.deployed);
        self.deployed += 1;
        let project = self.site.project(&numbered("hello", component)?, &name, "")?;
        let begun = Instant::now();
        self.site.modelet(&["deploy", &project])?;
        Ok(milliseconds(begun.elapsed()))
    }

    /// Calls functions that nobody has called, and a warm one between them.
    fn call(&mut self, count: u32) -> Result<[f64; 2]> {
        let (mut caller, warm) = (Caller::open(self.site.server.address)?, Request::get("/seed-0"));
        let mut ask = |request: &Request| {
            let (answer, took) = caller.ask(request)?;
            ensure!(answer.status == 200 && answer.body == b"hello\n", "it says {answer:?}");
            anyhow::Ok(took.as_secs_f64() * 1e6)
        };
        for _ in 0..count {
            ask(&warm)?;
        }
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for _ in 0..count {
            first.push(ask(&Request::get(&format!("/{}", stored::name(self.called))))?);
            again.push(ask(&warm)?);
            self.called += 1;
        }
        let p99 = [quantile(&first, 0.99)?, quantile(&again, 0.99)?];
        eprintln!("bench: p99 of {count} first calls {:.0} us, of a warm function {:.0} us", p99[0], p99[1]);
        Ok(p99)
    }
}
