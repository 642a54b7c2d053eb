//! Running the cases on a server and judging what comes back.

use super::case::{Case, Inexpressible, Set, subfolders};
use super::compare;
use super::expected::Expected;
use crate::frame::{Frame, Part};
use crate::function::Function;
use crate::host::TestHost;
use crate::nn;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Models of one function: enough that deploys are few, few enough that a manifest stays readable.
const MODELS_PER_FUNCTION: usize = 100;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It gave what the standard wants.
    Passed,
    /// It did not, at this stage.
    Failed {
        /// Where.
        stage: Stage,
        /// What the server, the guest or the comparison said.
        why: String,
    },
}

/// Where a case can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The server did not take the model.
    Push,
    /// The guest was refused an output.
    Compute,
    /// The outputs are others.
    Compare,
}

/// One judged case.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Its name.
    pub case: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it may fail, from the committed list.
    pub expected: Option<String>,
}

/// What all cases came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cases in the folder, or what of them was asked for.
    pub total: usize,
    /// Cases that take or give what is no tensor, by the first such thing.
    pub inexpressible: BTreeMap<String, usize>,
    /// Those that passed, as they should.
    pub passed: Vec<String>,
    /// Those that failed for the reason on the committed list.
    pub expected: Vec<Judged>,
    /// Those that did what the list does not say.
    pub unexpected: Vec<Judged>,
    /// Names on the list that no case has. Left empty by a run of a part.
    pub unknown: Vec<String>,
}

/// Runs the cases of `folder` (which holds one folder per case) on a server: all, or about `limit` of them, evenly chosen.
///
/// # Panics
/// When the server cannot be used at all.
#[must_use]
pub fn run(host: &TestHost, folder: &Path, limit: Option<usize>) -> Report {
    let expected = Expected::committed();
    let folders = subfolders(folder);
    let mut report = Report::default();
    if limit.is_none() {
        let names: Vec<_> = folders.iter().filter_map(|folder| folder.file_name()?.to_str()).collect();
        report.unknown = expected.names().filter(|name| !names.contains(name)).map(str::to_owned).collect();
    }
    let mut cases = Vec::new();
    for folder in &folders {
        match Case::read(folder) {
            Ok(case) => cases.push(case),
            Err(Inexpressible(element)) => *report.inexpressible.entry(element).or_default() += 1,
        }
    }
    report.total = folders.len();
    if let Some(limit) = limit.filter(|limit| *limit < cases.len()) {
        // Neighbours test one operator: every n-th case meets most operators.
        let all = cases.len();
        let chosen = (0..limit).map(|nth| nth * all / limit);
        let mut kept: Vec<Option<Case>> = cases.into_iter().map(Some).collect();
        cases = chosen.filter_map(|index| kept[index].take()).collect();
    }
    for (chunk, cases) in cases.chunks(MODELS_PER_FUNCTION).enumerate() {
        for (case, verdict) in cases.iter().zip(judge_all(host, chunk, cases)) {
            report.enter(&expected, &case.name, verdict);
        }
    }
    report
}

/// Pushes the models of some cases, deploys one function with them, and asks it.
fn judge_all(host: &TestHost, chunk: usize, cases: &[Case]) -> Vec<Verdict> {
    let name = format!("cases-{chunk}");
    let mut function = Function::guest("nn_types").named(&name);
    let mut refusals = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let model = format!("case-{chunk}-{index}");
        let refusal = push(host, &model, &case.model);
        if refusal.is_none() {
            function = function.model_ref(&model, &model);
        }
        refusals.push(refusal);
    }
    host.deploy(&function);
    let judged = cases.iter().zip(refusals).enumerate();
    let judge = |(index, (case, refusal)): (usize, (&Case, Option<String>))| match refusal {
        Some(why) => Verdict::Failed { stage: Stage::Push, why },
        None => judge(host, &format!("/{name}"), &format!("case-{chunk}-{index}"), case),
    };
    judged.map(judge).collect()
}

/// `None` when the server took the model, else its reason.
fn push(host: &TestHost, name: &str, file: &Path) -> Option<String> {
    let bytes = fs::read(file).unwrap();
    let answer = host.put_bytes(&format!("/v1/models/{name}"), &bytes);
    match answer.status {
        200 | 201 => None,
        400..500 => Some(answer.json()["detail"].as_str().unwrap_or_default().to_owned()),
        status => panic!("pushing {}: {status}: {}", file.display(), answer.text()),
    }
}

fn judge(host: &TestHost, route: &str, model: &str, case: &Case) -> Verdict {
    let failed = case.sets.iter().find_map(|set| fault(host, route, model, set));
    failed.map_or(Verdict::Passed, |(stage, why)| Verdict::Failed { stage, why })
}

/// What is wrong with one data set's answer.
fn fault(host: &TestHost, route: &str, model: &str, set: &Set) -> Option<(Stage, String)> {
    let frame = Frame { model: model.to_owned(), tensors: set.inputs.clone() };
    let answer = host.post(route, &frame.encode().unwrap());
    if !matches!(answer.status, 200 | 422) {
        return Some((Stage::Compute, format!("{}: {}", answer.status, answer.text())));
    }
    let outputs = match nn::outcome(&answer) {
        Ok(outputs) => outputs,
        Err(refusal) => return Some((Stage::Compute, format!("{}: {}", refusal.code, refusal.data))),
    };
    let differs = |want: &Part<'_>| match outputs.iter().find(|got| got.name == want.name) {
        Some(got) => compare::difference(got, want).map(|why| format!("{}: {why}", want.name)),
        None => Some(format!("no output {}", want.name)),
    };
    set.outputs.iter().find_map(differs).map(|why| (Stage::Compare, why))
}

impl Report {
    fn enter(&mut self, expected: &Expected, case: &str, verdict: Verdict) {
        let reason = expected.reason(case);
        let passed = verdict == Verdict::Passed;
        let as_listed = reason.map_or(passed, |reason| !passed || reason.may_pass);
        let judged = Judged { case: case.to_owned(), verdict, expected: reason.map(|reason| reason.text.clone()) };
        match (as_listed, reason) {
            (false, _) => self.unexpected.push(judged),
            (true, None) => self.passed.push(judged.case),
            (true, Some(_)) => self.expected.push(judged),
        }
    }

    /// Cases that a guest can express and that were run.
    #[must_use]
    pub fn run(&self) -> usize {
        self.passed.len() + self.expected.len() + self.unexpected.len()
    }

    /// Whether everything did what the list says.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.unexpected.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inexpressible: usize = self.inexpressible.values().sum();
        let types: Vec<String> = self.inexpressible.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(out, "{} cases, of which a guest cannot express {inexpressible} ({})", self.total, types.join(", "))?;
        writeln!(
            out,
            "passed {} / expressible and run {} / expected to fail {}",
            self.passed.len(),
            self.run(),
            self.expected.len()
        )?;
        for Judged { case, expected, .. } in &self.expected {
            writeln!(out, "  expected    {case}: {}", expected.as_deref().unwrap_or_default())?;
        }
        for Judged { case, verdict, .. } in &self.unexpected {
            match verdict {
                Verdict::Passed => {
                    writeln!(out, "  UNEXPECTED  {case}: passes, and is on the list of those that fail")?
                }
                Verdict::Failed { stage, why } => writeln!(out, "  UNEXPECTED  {case}: {stage:?}: {why}")?,
            }
        }
        for name in &self.unknown {
            writeln!(out, "  UNEXPECTED  {name}: is on the list, and no case has this name")?;
        }
        Ok(())
    }
}
