//! The digits model end to end: one picture as JSON in, label and probabilities as JSON out.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::baseline::fastapi;
use crate::support::child::Server;
use crate::support::race::{self, Laps, Pace, Runner};
use crate::support::rows::{Bar, Figures, Rows, why};
use crate::support::sample;
use crate::support::site::Site;
use crate::support::{Request, places};

/// Probabilities of one picture that both servers give differ by no more than this.
const TOLERANCE: f64 = 1e-4;

/// One bar for all: with one connection both wait for the kernel for half of the time, and nothing can be joined.
const CONNECTIONS: [(usize, Bar); 3] = [(1, Bar::RatioFrom(4.0)), (16, Bar::RatioFrom(4.0)), (64, Bar::RatioFrom(4.0))];

/// What FastAPI's handler returns, the faster form first: it is the one to beat.
const FORMS: [&str; 2] = ["response", "dict"];

/// A row for each form of the baseline and each number of connections.
pub(crate) fn measure(site: &Figures<Site>, rows: &mut Rows) {
    FORMS.iter().for_each(|form| measure_against(form, site, rows));
}

fn measure_against(form: &str, site: &Figures<Site>, rows: &mut Rows) {
    let rivals = site.as_ref().map_err(Clone::clone).and_then(|site| Rivals::start(site, form).map_err(why));
    for (connections, bar) in CONNECTIONS {
        let laps = rivals.as_ref().map_err(Clone::clone).and_then(|rivals| rivals.race(connections).map_err(why));
        let figures = laps.map(|[ours, fastapi]| ours.against(&fastapi));
        rows.add(&format!("digits c={connections} / FastAPI + onnxruntime, {form}"), "/s", figures, bar);
    }
}

struct Rivals<'a> {
    ours: &'a Server,
    fastapi: Server,
    request: Request,
}

impl<'a> Rivals<'a> {
    fn start(site: &'a Site, form: &str) -> Result<Self> {
        let request = Request::post("/digits", &sample::one_picture()?);
        let rivals = Self { ours: &site.server, fastapi: fastapi::start(&places::digits()?, form)?, request };
        let [ours, theirs] = [rivals.ours, &rivals.fastapi].map(|server| rivals.ask(server));
        same(&ours?, &theirs?)?;
        Ok(rivals)
    }

    fn ask(&self, server: &Server) -> Result<Value> {
        let answer = self.request.ask(server.address)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "it says {} {text}", answer.status);
        serde_json::from_str(&text).with_context(|| format!("it says {text}"))
    }

    fn race(&self, connections: usize) -> Result<[Laps; 2]> {
        let runner = |name, server| Runner { name, server, requests: std::slice::from_ref(&self.request) };
        let runners = [runner("modelet digits", self.ours), runner("FastAPI digits", &self.fastapi)];
        race::run(&runners, connections, Pace::USUAL)?.try_into().map_err(|_| anyhow!("not two"))
    }
}

/// Servers that do not say the same have not done the same work.
fn same(ours: &Value, theirs: &Value) -> Result<()> {
    let different = || anyhow!("the answers differ: {ours} and {theirs}");
    let probabilities =
        |answer: &Value| answer.pointer("/predictions/0/probabilities").and_then(Value::as_array).cloned();
    let label = |answer: &Value| answer.pointer("/predictions/0/label").and_then(Value::as_i64);
    ensure!(label(ours).is_some() && label(ours) == label(theirs), different());
    let (ours, theirs) = (probabilities(ours).with_context(different)?, probabilities(theirs).with_context(different)?);
    let close = |(a, b): (&Value, &Value)| a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= TOLERANCE);
    ensure!(ours.len() == theirs.len() && ours.iter().zip(&theirs).all(close), different());
    Ok(())
}
