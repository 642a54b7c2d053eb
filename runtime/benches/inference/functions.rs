//! Sixteen functions of one tenant that call the same model, over HTTP: calls joined across functions against calls alone.
//! Each side has its own server on the same core, so that neither learns from the other's calls.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::support::mode::Mode;
use crate::support::race::{self, Laps, Pace, Runner};
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::{self, Sample};
use crate::support::site::Site;
use crate::support::{Request, places};

const FUNCTIONS: usize = 16;
const CONNECTIONS: usize = 64;

/// A run takes ten milliseconds: a span with hundreds of answers.
const ENCODER: (Sample, Pace) =
    (Sample::MiniLm { rows: 1, words: 16 }, Pace { rounds: 5, span: Duration::from_millis(5000) });
const PICTURE: (Sample, Pace) = (Sample::Digits { rows: 1 }, Pace::USUAL);

/// What a manifest says so that the calls of all functions are joined.
pub(crate) const JOINED: &str = "max = 32, share = \"tenant\"";

/// Joining may add this much to the slowest answers, as a ratio.
const P99: Bar = Bar::RatioTo(1.1);
const SPEED: Bar = Bar::RatioFrom(1.3);

/// Speed and p99 of the encoder, speed of the digits by a guest that takes frames of any model and by the function `digits`.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let [encoder, picture] = [ENCODER, PICTURE]
        .map(|(sample, pace)| race(|batch| start(sample, batch), requests(sample), mode.pace(pace)).map_err(why));
    let function = race(start_digits, pictures(), mode.pace(PICTURE.1)).map_err(why);
    let of = |laps: &Result<[Laps; 2], String>, figure: fn(&[Laps; 2]) -> [f64; 3]| match laps {
        Ok(laps) => Ok(figure(laps)),
        Err(why) => Err(why.clone()),
    };
    let speed = |[joined, alone]: &[Laps; 2]| joined.against(alone);
    let p99 = |[joined, alone]: &[Laps; 2]| joined.p99_against(alone);
    let name = |what: &str| format!("{what}, 16 functions, 64 connections, joined / alone");
    rows.add(&name("MiniLM S=16"), "/s", of(&encoder, speed), SPEED);
    rows.add(&name("MiniLM S=16 p99"), "ms", of(&encoder, p99), P99);
    rows.add(&name("digits"), "/s", of(&picture, speed), SPEED);
    rows.add(&name("the function digits"), "/s", of(&function, speed), SPEED);
}

fn race(start: impl Fn(&str) -> Result<Site>, requests: Result<Vec<Request>>, pace: Pace) -> Result<[Laps; 2]> {
    let (joined, alone, requests) = (start(JOINED)?, start("")?, requests?);
    for site in [&joined, &alone] {
        for request in &requests {
            let answer = request.ask(site.server.address)?;
            ensure!(answer.status == 200, "it says {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
    }
    let runner = |(name, server)| Runner { name, server, requests: &requests };
    let runners = [("joined", &joined.server), ("alone", &alone.server)].map(runner);
    race::run(&runners, CONNECTIONS, pace)?.try_into().map_err(|_| anyhow!("not two"))
}

/// A server with the model and the functions `/f0` to `/f15`; `batch` is the rule by which their calls are joined.
///
/// # Errors
/// When it does not start, or refuses the model or a function.
pub(crate) fn start(sample: Sample, batch: &str) -> Result<Site> {
    serve(sample, batch, &places::guest("nn")?)
}

/// The same, each of the functions being `digits`.
fn start_digits(batch: &str) -> Result<Site> {
    serve(PICTURE.0, batch, &places::function("digits")?)
}

fn serve(sample: Sample, batch: &str, component: &Path) -> Result<Site> {
    let (site, name) = (Site::start()?, sample.name());
    let model = places::text(&sample.file()?.canonicalize()?)?;
    site.modelet(&["model", "push", &model, "--name", name])?;
    let batch = if batch.is_empty() { String::new() } else { format!("[batch]\n{name} = {{ {batch} }}\n") };
    let component = fs::read(component)?;
    for at in 0..FUNCTIONS {
        site.deploy_roomy(&component, &function(at), &format!("[models]\n{name} = \"{name}\"\n{batch}"))?;
    }
    Ok(site)
}

/// A call of each function.
///
/// # Errors
/// None that can be brought about.
pub(crate) fn requests(sample: Sample) -> Result<Vec<Request>> {
    (0..FUNCTIONS).map(|at| request(sample, at)).collect()
}

/// A call of one of the functions.
///
/// # Errors
/// None that can be brought about.
pub(crate) fn request(sample: Sample, at: usize) -> Result<Request> {
    Ok(Request::post_bytes(&format!("/{}", function(at)), "application/octet-stream", &sample.frame()?))
}

/// The same of `digits`, which takes JSON.
fn pictures() -> Result<Vec<Request>> {
    let picture = sample::one_picture()?;
    Ok((0..FUNCTIONS).map(|at| Request::post(&format!("/{}", function(at)), &picture)).collect())
}

fn function(at: usize) -> String {
    format!("f{at}")
}
