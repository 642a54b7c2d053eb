//! Live switches from one version to another while clients call: none of them may fail, and none may be answered by a version that an
//! acknowledged switch has taken out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use super::host::Host;
use crate::support::Request;
use crate::support::load::Caller;
use crate::support::rows::{median, milliseconds};

/// Those who call meanwhile.
const CLIENTS: usize = 4;
/// The function whose versions are switched.
const NAME: &str = "switched";
/// From an acknowledged switch to the next an answer is judged; this is how often that is looked for, and how long.
const POLL: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_secs(30);
/// What its two versions answer.
const FIRST: &[u8] = b"hello\n";
const SECOND: &[u8] = b"status 200\n";

/// What the clients saw.
pub(crate) struct Switched {
    /// Requests without a whole answer of status 200.
    pub(crate) failed: f64,
    /// Answers of a version other than the one that was live from before the request until after it.
    pub(crate) wrong: f64,
    /// How long a switch took.
    pub(crate) p50_ms: f64,
}

/// What clients count, and where the switching is.
#[derive(Default)]
struct Watch {
    /// Odd: a switch is under way. Even: this half of it is acknowledged.
    turn: AtomicU64,
    is_over: AtomicBool,
    failed: AtomicU64,
    wrong: AtomicU64,
    /// Answers that fell between two switches.
    judged: AtomicU64,
    /// The latest turn that such an answer is of.
    judged_turn: AtomicU64,
}

/// Deploys two versions, and switches between them.
///
/// # Errors
/// When a switch is refused, or no answer after one could be judged.
pub(crate) fn switched(host: &mut Host, switches: u32) -> Result<Switched> {
    for guest in ["hello", "status"] {
        let component = host.component(guest)?;
        host.deploy(NAME, &component)?;
    }
    // The second version is live: turn 0 is of the second answer.
    let (watch, address) = (Watch::default(), host.address());
    let took = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| watch.call(|| Caller::patient(address)));
        }
        let took = switch(host, &watch, switches);
        watch.is_over.store(true, Ordering::Release);
        took
    })?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    eprintln!("bench: {switches} switches, {} answers between them", count(&watch.judged));
    let [failed, wrong] = [count(&watch.failed), count(&watch.wrong)].map(|number| number as f64);
    Ok(Switched { failed, wrong, p50_ms: median(&took) })
}

/// How long each took, in milliseconds.
fn switch(host: &mut Host, watch: &Watch, switches: u32) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for switch in 1..=u64::from(switches) {
        watch.turn.fetch_add(1, Ordering::AcqRel);
        let version = 2 - switch % 2;
        let (_, time) = host.post(&format!("/v1/functions/{NAME}/rollback"), &json!({ "to": version }))?;
        took.push(milliseconds(time));
        let turn = watch.turn.fetch_add(1, Ordering::AcqRel) + 1;
        watch.wait(turn)?;
    }
    Ok(took)
}

impl Watch {
    /// Calls until all is over.
    fn call(&self, open: impl Fn() -> Result<Caller>) {
        let request = Request::get(&format!("/{NAME}"));
        let mut caller = open();
        while !self.is_over.load(Ordering::Acquire) {
            let before = self.turn.load(Ordering::Acquire);
            let asked = caller.as_mut().map_err(|error| anyhow!("{error:#}"));
            match asked.and_then(|caller| caller.wait(&request)) {
                Ok((answer, _)) if answer.status == 200 => {
                    self.judge(before, self.turn.load(Ordering::Acquire), &answer.body);
                }
                _ => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    caller = open();
                }
            }
        }
    }

    /// Waits until an answer of this turn was judged.
    fn wait(&self, turn: u64) -> Result<()> {
        let begun = Instant::now();
        while self.judged_turn.load(Ordering::Acquire) < turn {
            ensure!(begun.elapsed() < PATIENCE, "no request was answered within {PATIENCE:?} of a switch");
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn judge(&self, before: u64, after: u64, body: &[u8]) {
        let is_between = before == after && before.is_multiple_of(2);
        let live = if (before / 2).is_multiple_of(2) { SECOND } else { FIRST };
        let is_right = if is_between { body == live } else { [FIRST, SECOND].contains(&body) };
        self.wrong.fetch_add(u64::from(!is_right), Ordering::Relaxed);
        if is_between {
            self.judged.fetch_add(1, Ordering::Relaxed);
            self.judged_turn.fetch_max(before, Ordering::AcqRel);
        }
    }
}
