//! How often a tensor's bytes are copied between a guest and a run, by the server's own counters.
//!
//! `modelet_tensor_copies_total` counts at the wall of the sandbox, `modelet_model_copies_total` behind it: what is put into
//! the buffer of a joined run.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::functions;
use crate::support::metrics::Metrics;
use crate::support::mode::Mode;
use crate::support::race::{self, Pace, Runner};
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::Sample;
use crate::support::site::Site;
use crate::support::{Request, places};

/// One input, two outputs, all read by the guest `nn`.
const PICTURE: Sample = Sample::Digits { rows: 1 };
const OUTPUTS: f64 = 2.0;

const CALLS: u32 = 200;
const STEPS: u32 = 16;
const CONNECTIONS: usize = 64;
const JOINED: Pace = Pace { rounds: 1, span: Duration::from_millis(500) };

/// Four rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let alone = alone().map_err(why);
    let of = |at: fn(&[f64; 2]) -> f64| alone.as_ref().map(at).map_err(Clone::clone);
    rows.count("copies of an input, not joined", of(|[input, _]| *input), Bar::Exactly(1.0));
    rows.count("copies of an input, joined", joined(mode).map_err(why), Bar::Exactly(2.0));
    rows.count("copies of an output", of(|[_, output]| *output), Bar::Exactly(1.0));
    rows.count("copies of a cache that goes from call to call, per call", chain().map_err(why), Bar::Exactly(0.0));
}

/// What happened between two readings.
struct Between {
    tensors_in: f64,
    tensors_out: f64,
    inputs_joined: f64,
    outputs_copied: f64,
    /// Runs of a single row.
    runs_alone: f64,
    rows: f64,
}

impl Between {
    fn of(before: &Metrics, after: &Metrics) -> Result<Self> {
        let more = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let between = Self {
            tensors_in: more("modelet_tensor_copies_total", &[("direction", "in")]),
            tensors_out: more("modelet_tensor_copies_total", &[("direction", "out")]),
            inputs_joined: more("modelet_model_copies_total", &[("side", "input")]),
            outputs_copied: more("modelet_model_copies_total", &[("side", "output")]),
            runs_alone: more("modelet_batch_size_bucket", &[("le", "1.0")]),
            rows: more("modelet_batch_size_sum", &[]),
        };
        ensure!(between.tensors_in > 0.0, "the server does not count the copies at the sandbox's wall");
        ensure!(between.rows > 0.0, "the server counted no run");
        Ok(between)
    }
}

/// Copies of an input and of an output of calls that came one after the other.
fn alone() -> Result<[f64; 2]> {
    let site = functions::start(PICTURE, "")?;
    let request = functions::request(PICTURE, 0)?;
    let before = site.metrics()?;
    for _ in 0..CALLS {
        let answer = request.ask(site.server.address)?;
        ensure!(answer.status == 200, "it says {}", answer.status);
    }
    let between = Between::of(&before, &site.metrics()?)?;
    ensure!((between.rows - f64::from(CALLS)).abs() < 0.5, "{} rows of {CALLS} calls", between.rows);
    let calls = f64::from(CALLS);
    let input = (between.tensors_in + between.inputs_joined) / calls;
    Ok([input, (between.tensors_out + between.outputs_copied) / (calls * OUTPUTS)])
}

/// Copies of an input of those calls that were in a run with others.
fn joined(mode: Mode) -> Result<f64> {
    let site = functions::start(PICTURE, functions::JOINED)?;
    let requests = functions::requests(PICTURE)?;
    let before = site.metrics()?;
    race::run(&[Runner { name: "copies", server: &site.server, requests: &requests }], CONNECTIONS, mode.pace(JOINED))?;
    let between = Between::of(&before, &site.metrics()?)?;
    let joined = between.rows - between.runs_alone;
    ensure!(joined > 0.0, "no call was joined");
    // Each call has one row and one input, which crosses the wall once whether it is joined or not.
    let at_the_wall = between.tensors_in / between.rows;
    Ok(at_the_wall + between.inputs_joined / joined)
}

/// Copies of a cache between the calls of a chain: all that was copied, less the words in and the numbers out of each call.
fn chain() -> Result<f64> {
    let site = Site::start()?;
    let model = places::text(&places::root().join("tests/models/tiny_decoder.onnx").canonicalize()?)?;
    site.deploy_guest("nn_chain", "chain", &format!("[models]\ntiny-decoder = {{ file = {model:?} }}\n"))?;
    let before = site.metrics()?;
    let answer = Request::get(&format!("/chain?n={STEPS}")).ask(site.server.address)?;
    ensure!(answer.status == 200, "it says {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let between = Between::of(&before, &site.metrics()?)?;
    let steps = f64::from(STEPS);
    // The first cache is an empty one that the guest makes.
    let all = between.tensors_in + between.tensors_out + between.inputs_joined + between.outputs_copied;
    Ok((all - 2.0 * steps - 1.0) / steps)
}
