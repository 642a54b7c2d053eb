//! Who is asked for what, how often, and what the answer has to be.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::components::numbered;
use crate::gate::{Gate, Word};
use crate::origin;
use crate::support::answer::Answer;
use crate::support::frame::{Frame, Kind, Part as Tensor};
use crate::support::sample::Sample;
use crate::support::site::Site;
use crate::support::{Request, places};
use crate::wire::Wire;

/// One function, and how it is asked.
pub(crate) struct Part {
    /// Its name; its route is the same.
    pub(crate) function: &'static str,
    /// The pause between two requests.
    pub(crate) every: Duration,
    /// Sends one and looks at what came. The number counts from 0.
    pub(crate) ask: Ask,
    guest: &'static str,
    sections: String,
}

type Ask = Box<dyn FnMut(&mut Wire, u64) -> Result<()> + Send>;

/// What is sent at each turn has this many bytes.
const ECHOED: usize = 64 << 10;

/// What a function that does its worst may take.
const TIGHT: &str = "[limits]\ntime = \"100ms\"\nmemory = \"16MiB\"\n";

/// Its sandboxes are gone before it is asked again, and so is its code.
const RARELY: Duration = Duration::from_secs(5);
const SLEEPS: &str = "[instances]\nidle = \"500ms\"\n";

const OCTETS: &str = "application/octet-stream";

const DIGITS: Sample = Sample::Digits { rows: 1 };

/// All of them. `origin` is whom one of them calls.
///
/// # Errors
/// When a guest or a model is not there.
pub(crate) fn all(origin: SocketAddr) -> Result<Vec<Part>> {
    let mut parts = vec![
        get("hello", "hello", "", per_second(40), "/hello", says(200, "hello\n")),
        get(
            "hello-fresh",
            "hello",
            "[instances]\nreuse = \"request\"\n",
            per_second(20),
            "/hello-fresh",
            says(200, "hello\n"),
        ),
        get("hello-asleep", "hello", SLEEPS, RARELY, "/hello-asleep", says(200, "hello\n")),
        part("echo", "echo", "", per_second(20), echo()),
        get("big-answer", "big_body", "", per_second(2), "/big-answer?bytes=1000000", has_bytes(1_000_000)),
        get("writes", "stdout", "", per_second(10), "/writes?lines=10&bytes=100", says(200, "ok\n")),
        part("counts", "pairs", "", per_second(10), counts()),
        part("keeps", "pairs", "", per_second(2), keeps()),
        post("tokens", "tokenize", "", per_second(2), "/tokens?n=1", "A man is eating food.".repeat(20).into_bytes()),
        post("pictures", "png", "", per_second(2), "/pictures?n=1", fs::read(places::picture()?)?),
        calls_out(origin),
        get("traps", "trap", TIGHT, per_second(5), "/traps", fails(502)),
        get("traps-after", "trap_after", TIGHT, per_second(5), "/traps-after", says(200, "answered\n")),
        get("panics", "panic", TIGHT, per_second(5), "/panics", fails(502)),
        get("no-answer", "no_answer", TIGHT, per_second(2), "/no-answer", fails(502)),
        get("eats-memory", "eat_memory", TIGHT, per_second(2), "/eats-memory", is_stopped()),
        get("hoards", "many_resources", TIGHT, Duration::from_secs(1), "/hoards?of=fields", is_stopped()),
        get("loops", "infinite_loop", TIGHT, Duration::from_secs(1), "/loops", fails(504)),
        get("lingers", "early_answer", "", per_second(2), "/lingers?pause_ms=200", says(200, "answered\n")),
        leaves(),
    ];
    parts.extend(models()?);
    Ok(parts)
}

/// A model that is asked all the time, and one that leaves memory between two requests.
fn models() -> Result<[Part; 2]> {
    let uses = |name: &str, file: &Path| -> Result<String> {
        let file = places::text(&file.canonicalize()?)?;
        Ok(format!("[models]\n{name} = {{ file = \"{file}\" }}\n"))
    };
    let digits = uses(DIGITS.name(), &DIGITS.file()?)?;
    let other = uses("same", &places::root().join("tests/models/identity_f32.onnx"))?;
    let numbers = Tensor { name: "x".into(), kind: Kind::Fp32, dims: vec![16], data: vec![7; 64].into() };
    let frame = Frame { model: "same".to_owned(), tensors: vec![numbers] };
    let frame = frame.encode().map_err(|why| anyhow::anyhow!(why))?;
    Ok([
        post("digits", "nn", &digits, per_second(20), "/digits", DIGITS.frame()?),
        post("model-asleep", "nn", &[&other, SLEEPS].concat(), RARELY, "/model-asleep", frame),
    ])
}

impl Part {
    /// Deploys its function.
    ///
    /// # Errors
    /// When that is refused.
    pub(crate) fn deploy(&self, site: &Site) -> Result<()> {
        site.deploy(&fs::read(places::guest(self.guest)?)?, self.function, &self.sections)
            .with_context(|| format!("deploying {}", self.function))
    }
}

fn per_second(times: u32) -> Duration {
    Duration::from_secs(1) / times
}

fn part(function: &'static str, guest: &'static str, sections: &str, every: Duration, ask: Ask) -> Part {
    Part { function, every, ask, guest, sections: sections.to_owned() }
}

type Check = Box<dyn Fn(&Answer) -> Result<()> + Send>;

fn get(
    function: &'static str,
    guest: &'static str,
    sections: &str,
    every: Duration,
    target: &'static str,
    check: Check,
) -> Part {
    let request = Request::get(target);
    part(function, guest, sections, every, Box::new(move |wire, _| check(&wire.ask(&request)?)))
}

/// A function that says the same each time, whatever that is.
fn post(
    function: &'static str,
    guest: &'static str,
    sections: &str,
    every: Duration,
    target: &'static str,
    body: Vec<u8>,
) -> Part {
    let request = Request::post_bytes(target, OCTETS, &body);
    let mut first: Option<Vec<u8>> = None;
    let ask = move |wire: &mut Wire, _: u64| {
        let answer = wire.ask(&request)?;
        ensure!(answer.status == 200, "{}", shown(&answer));
        let first = first.get_or_insert_with(|| answer.body.clone());
        ensure!(*first == answer.body, "the answer is another than the first");
        Ok(())
    };
    part(function, guest, sections, every, Box::new(ask))
}

fn says(status: u16, body: &'static str) -> Check {
    Box::new(move |answer| {
        ensure!(answer.status == status && answer.body == body.as_bytes(), "{}", shown(answer));
        Ok(())
    })
}

fn has_bytes(bytes: usize) -> Check {
    Box::new(move |answer| {
        ensure!(
            answer.status == 200 && answer.body.len() == bytes,
            "{} and {} bytes",
            answer.status,
            answer.body.len()
        );
        Ok(())
    })
}

fn fails(status: u16) -> Check {
    Box::new(move |answer| {
        ensure!(answer.status == status, "{}", shown(answer));
        Ok(())
    })
}

/// By the cap of what it takes, or by its time on a machine where that comes first.
fn is_stopped() -> Check {
    Box::new(move |answer| {
        ensure!(matches!(answer.status, 502 | 504), "{}", shown(answer));
        Ok(())
    })
}

fn shown(answer: &Answer) -> String {
    let text: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
    format!("it says {} {text:?}", answer.status)
}

/// Each body is one that was never sent before.
fn echo() -> Ask {
    Box::new(|wire, turn| {
        let mut body = vec![b'x'; ECHOED];
        body.splice(..20, format!("{turn:020}").into_bytes());
        let answer = wire.ask(&Request::post_bytes("/echo", OCTETS, &body))?;
        ensure!(answer.status == 200 && answer.body == body, "{} and another body than was sent", answer.status);
        Ok(())
    })
}

/// A counter in the key-value store: it grows by one with each request, if each is run once.
fn counts() -> Ask {
    let request = Request::get("/counts?do=add&key=n");
    Box::new(move |wire, turn| {
        let answer = wire.ask(&request)?;
        let expected = format!("{{\"ok\":{}}}", turn + 1);
        ensure!(answer.status == 200 && answer.body.trim_ascii() == expected.as_bytes(), "{}", shown(&answer));
        Ok(())
    })
}

/// One of a few pairs is written anew, and read.
fn keeps() -> Ask {
    Box::new(move |wire, turn| {
        let key = turn / 2 % 10;
        let target = if turn % 2 == 0 { "set" } else { "get" };
        let value = format!("{}-{}", turn / 2, "v".repeat(4000));
        let target = format!("/keeps?bucket=kept&do={target}&key=k{key}");
        let answer = wire.ask(&Request::post_bytes(&target, OCTETS, value.as_bytes()))?;
        let is_right = turn % 2 == 0 || answer.body.windows(value.len()).any(|window| window == value.as_bytes());
        ensure!(answer.status == 200 && is_right, "{}", shown(&answer));
        Ok(())
    })
}

fn calls_out(origin: SocketAddr) -> Part {
    let sections = format!("[outbound]\nallow = [\"http://{origin}\"]\n");
    let request = Request::get(&format!("/calls-out?url=http://{origin}/"));
    let ask = move |wire: &mut Wire, _: u64| {
        let answer = wire.ask(&request)?;
        let is_right = String::from_utf8_lossy(&answer.body).contains(origin::SAYS);
        ensure!(answer.status == 200 && is_right, "{}", shown(&answer));
        Ok(())
    };
    part("calls-out", "fetch", &sections, per_second(5), Box::new(ask))
}

/// Its clients leave while it answers.
fn leaves() -> Part {
    let request = Request::get("/is-left?n=1000&pause_ms=5");
    part("is-left", "drip", "", per_second(2), Box::new(move |wire, _| wire.ask_and_leave(&request)))
}

/// A function that is deployed again and again, while it is asked by nobody else.
pub(crate) struct Turned {
    project: String,
    versions: [Vec<u8>; 2],
}

/// What became of its deploys.
#[derive(Debug, Default)]
pub(crate) struct Deploys {
    /// How many there were.
    pub(crate) done: u64,
    /// Those that failed, or whose version did not answer, in words.
    pub(crate) failures: Vec<String>,
}

impl Turned {
    const NAME: &str = "turned";
    const EVERY: Duration = Duration::from_secs(10);

    /// Lays its project.
    ///
    /// # Errors
    /// When the guest is not there.
    pub(crate) fn lay(site: &Site) -> Result<Self> {
        let versions = [numbered("hello", 1)?, numbered("hello", 2)?];
        let project = site.project(&versions[0], Self::NAME, "")?;
        Ok(Self { project, versions })
    }

    /// Deploys until the gate says stop.
    pub(crate) fn run(&self, site: &Site, gate: &Gate) -> Deploys {
        let (mut deploys, mut wire) = (Deploys::default(), Wire::new(site.server.address));
        let mut due = Instant::now();
        loop {
            match gate.until(due) {
                Word::Go => {}
                Word::Pause => {
                    wire.close();
                    gate.rest();
                    continue;
                }
                Word::Stop => return deploys,
            }
            match self.deploy(site, &mut wire, deploys.done) {
                Ok(()) => deploys.done += 1,
                Err(error) => deploys.failures.push(format!("deploy {}: {error:#}", deploys.done + 1)),
            }
            due = Instant::now() + Self::EVERY;
        }
    }

    fn deploy(&self, site: &Site, wire: &mut Wire, number: u64) -> Result<()> {
        let version = self.versions.get(number as usize % 2).context("two versions")?;
        fs::write(Path::new(&self.project).join("guest.wasm"), version)?;
        site.modelet(&["deploy", &self.project])?;
        says(200, "hello\n")(&wire.ask(&Request::get("/turned"))?)
    }
}

/// What all parts of a function were asked together.
pub(crate) fn by_function(tallies: &[crate::caller::Tally]) -> BTreeMap<&'static str, u64> {
    let mut asked = BTreeMap::new();
    for tally in tallies {
        *asked.entry(tally.function).or_default() += tally.asked;
    }
    asked
}
