//! `cargo xtask chaos`: a server that is killed in the middle of its work, two hundred times.
//!
//! Writers change things through the command line, as fast as they are answered: they deploy, roll back, share out, push, label, grant,
//! scale and remove, make and limit tenants, rotate keys, set secrets and import archives. At a moment that nobody knows the server
//! is killed (SIGKILL). What is left on the disk is checked, the server starts again, and what it then says is compared, value by
//! value, with what had been acknowledged; the audit has the rows of these changes and no others. Each writer has one change of which
//! it does not know whether it was made: that one is there as a whole, or not at all.
//!
//! - `state`: what a writer's things are; `deed`: a change of them, how it is asked for, and what it makes of a state.
//! - `writer`: changes until the server is gone, and keeps the account; `kept`: what each has besides what it makes and removes.
//! - `account`: the rows of the audit.
//! - `seen`: what the server says.
//! - `verdict`: what came of it.
//!
//! `--cycles N` (200): how often. `--seed S`: the same choices again; the moments are still the machine's.

mod account;
#[path = "../instances/components.rs"]
mod components;
mod deed;
mod kept;
mod seen;
mod state;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the benches use the rest")]
mod support;
mod verdict;
mod writer;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use modelet_store::Store;

use account::Account;
use support::site::Site;
use verdict::Verdict;
use writer::Writer;

const CYCLES: u32 = 200;

/// Those who change things at the same time.
const WRITERS: usize = 3;

/// When the server is killed: from the first moment at which it works, to one at which some changes are made.
const LIFE_MS: std::ops::Range<u64> = 1..600;

/// What was asked for.
struct Arguments {
    cycles: u32,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Arguments::parse(&arguments).and_then(|arguments| chaos(&arguments)) {
        Ok(verdict) => verdict.tell(),
        Err(error) => {
            println!("chaos: failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// What Cargo says to every bench (`--bench`) is no news.
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut parsed = Self { cycles: CYCLES, seed: fastrand::u64(..) };
        let mut rest = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(argument) = rest.next() {
            let mut number = || {
                let given = rest.next().with_context(|| format!("{argument} wants a number"))?;
                given.parse::<u64>().with_context(|| format!("{argument} wants a number, not `{given}`"))
            };
            match argument.as_str() {
                "--cycles" => parsed.cycles = u32::try_from(number()?).context("--cycles is too large")?,
                "--seed" => parsed.seed = number()?,
                other => bail!("chaos takes only --cycles N and --seed S, not `{other}`"),
            }
        }
        ensure!(parsed.cycles > 0, "--cycles is 0: that shows nothing");
        Ok(parsed)
    }
}

fn chaos(arguments: &Arguments) -> Result<Verdict> {
    eprintln!("chaos: {} cycles, seed {}", arguments.cycles, arguments.seed);
    let mut random = Rng::with_seed(arguments.seed);
    let mut site = Site::start_on_all_cores(&[])?;
    let mut writers =
        (0..WRITERS).map(|number| Writer::new(number, &site, random.fork())).collect::<Result<Vec<_>>>()?;
    let mut verdict = Verdict::new(arguments.seed);
    let mut account = Account::default();
    site.server.kill()?;
    site.server.stop();
    account.read(&Store::open(&site.data())?)?;
    site.restart()?;
    for cycle in 1..=arguments.cycles {
        one(&mut site, &mut writers, &mut account, Duration::from_millis(random.u64(LIFE_MS)), &mut verdict)
            .with_context(|| format!("cycle {cycle}"))?;
        if cycle % 10 == 0 {
            eprintln!("chaos: cycle {cycle}: {} changes acknowledged", verdict.acknowledged());
        }
    }
    verdict.end(site.server.terminate()?);
    Ok(verdict)
}

/// Works for a while, dies, is looked at, and lives again.
fn one(
    site: &mut Site,
    writers: &mut [Writer],
    account: &mut Account,
    life: Duration,
    verdict: &mut Verdict,
) -> Result<()> {
    let is_dead = AtomicBool::new(false);
    let shared = &*site;
    thread::scope(|scope| {
        let working: Vec<_> = writers.iter_mut().map(|writer| scope.spawn(|| writer.work(shared, &is_dead))).collect();
        thread::sleep(life);
        // Before: who fails after this has met the end of the server.
        is_dead.store(true, Ordering::SeqCst);
        let killed = shared.server.kill();
        let worked =
            working.into_iter().map(|working| working.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?);
        let worked = worked.collect::<Result<Vec<u64>>>()?;
        killed?;
        verdict.worked(&worked);
        anyhow::Ok(())
    })?;
    site.server.stop();
    let store = Store::open(Path::new(&site.data()))?;
    verdict.verified(&store.verify()?);
    let scales = store.scales()?.into_iter().map(|(_, name, min)| (name.to_string(), min)).collect();
    let noted = account.read(&store)?;
    verdict.noted(noted.len());
    drop(store);
    verdict.ready(site.restart()?);
    for writer in writers {
        verdict.compared(writer.compare(site, &scales, &noted)?);
    }
    Ok(())
}
