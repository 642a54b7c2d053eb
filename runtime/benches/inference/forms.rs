//! The optimised form of a model, used where it lies, against its ONNX file at the level `All`: how long a load takes, with
//! the digest of the very bytes compared, and what four sessions take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use modelet_inference::{Facts, Model, ModelFile, ModelOptions, OptimisedFile, Runtime, Trial};
use modelet_spec::Digest;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::ours::{self, OTHER, Question, Told, caller};
use crate::support::mode::Mode;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Rows, milliseconds, why};
use crate::support::sample::Sample;
use crate::support::{callers, child};

const LOADS: Pace = Pace { rounds: 7, span: Duration::ZERO };
const MEMORY: Pace = Pace { rounds: 5, span: Duration::ZERO };
const SESSIONS: usize = 4;

/// A load takes at most half of the time, and four sessions at most half of the memory.
const HALF: Bar = Bar::RatioTo(0.5);

/// Sessions are added while calls wait; by then they are all there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let form = make().map_err(why);
    let of = |race: fn(&Path, Pace) -> Result<[f64; 3]>, pace: Pace| match &form {
        Ok((form, _)) => race(form, mode.pace(pace)).map_err(why),
        Err(why) => Err(why.clone()),
    };
    rows.add("load of MiniLM, optimised form in place / ONNX file", "ms", of(loads, LOADS), HALF);
    rows.add("memory of 4 sessions of MiniLM, optimised form in place / ONNX file", "MB", of(memory, MEMORY), HALF);
}

/// The optimised form of MiniLM, for as long as its folder is kept.
///
/// # Errors
/// When the trial fails, or gives none.
pub(crate) fn make() -> Result<(PathBuf, TempDir)> {
    let folder = tempfile::tempdir()?;
    let to = folder.path().join("minilm.ort");
    small()?.ask(&Question::Optimise { to: to.clone() })?;
    Ok((to, folder))
}

/// A child with a small model of its own.
fn small() -> Result<ours::Ours> {
    ours::start(Sample::Digits { rows: 1 })
}

fn loads(form: &Path, pace: Pace) -> Result<[f64; 3]> {
    let (mut ours, mut theirs) = (small()?, small()?);
    let ours = || tell("optimised", ours.ask(&Question::Load { optimised: Some(form.to_owned()) })?);
    let theirs = || tell("ONNX", theirs.ask(&Question::Load { optimised: None })?);
    Ok(race::summary(&race::pairs(pace.rounds, ours, theirs)?, |told| told.load_ms))
}

/// Each in a process of its own: memory that was used once is not given back.
fn memory(form: &Path, pace: Pace) -> Result<[f64; 3]> {
    let ask = |optimised| small()?.ask(&Question::Sessions { optimised, sessions: SESSIONS });
    let ours = || tell("optimised", ask(Some(form.to_owned()))?);
    let theirs = || tell("ONNX", ask(None)?);
    Ok(race::summary(&race::pairs(pace.rounds, ours, theirs)?, |told| told.bytes as f64 / 1e6))
}

fn tell(form: &str, told: Told) -> Result<Told> {
    eprintln!("bench: MiniLM, {form}: {:.0} ms, {:.0} MB", told.load_ms, told.bytes as f64 / 1e6);
    Ok(told)
}

/// What is written beside an optimised form.
#[derive(Serialize, Deserialize)]
struct Note {
    digest: Digest,
    facts: Facts,
}

/// In the child: the trial.
pub(crate) async fn optimise(runtime: &Runtime, to: &Path) -> Result<Told> {
    let file = std::fs::read(OTHER.file()?)?;
    let options = ModelOptions::named("other");
    let trial = Trial { file: file.into(), options, samples: Vec::new(), optimised_to: Some(to.to_owned()) };
    let facts = runtime.trial(trial).await?;
    ensure!(facts.no_optimised_form.is_none(), "there is no optimised form: {:?}", facts.no_optimised_form);
    let note = Note { digest: Digest::of(&std::fs::read(to)?), facts };
    std::fs::write(to.with_extension("json"), serde_json::to_vec(&note)?)?;
    Ok(Told::default())
}

/// In the child: one load, of which nothing is kept.
pub(crate) fn load(runtime: &Runtime, optimised: Option<&Path>) -> Result<Told> {
    let begun = Instant::now();
    let model = bring(runtime, optimised, ModelOptions::named("other"))?;
    let load_ms = milliseconds(begun.elapsed());
    drop(model);
    Ok(Told { load_ms, ..Told::default() })
}

/// In the child: as many sessions as calls come at once.
pub(crate) async fn sessions(runtime: &Runtime, optimised: Option<&Path>, sessions: usize) -> Result<Told> {
    let before = child::memory_and_maps("self")?;
    let options = ModelOptions { sessions_max: Some(sessions), ..ModelOptions::named("other") };
    let begun = Instant::now();
    let model = bring(runtime, optimised, options)?;
    let load_ms = milliseconds(begun.elapsed());
    while model.sessions() < sessions {
        ensure!(begun.elapsed() < PATIENCE, "only {} sessions", model.sessions());
        callers::run(4 * sessions, Duration::from_millis(200), caller(&model, OTHER, 1)).await?;
    }
    callers::run(4 * sessions, Duration::from_millis(500), caller(&model, OTHER, 1)).await?;
    let bytes = child::memory_and_maps("self")?.saturating_sub(before);
    Ok(Told { bytes, load_ms, ..Told::default() })
}

/// Loads the other model.
///
/// # Errors
/// When it is not there, or is refused.
pub(crate) fn bring(runtime: &Runtime, optimised: Option<&Path>, options: ModelOptions) -> Result<Arc<Model>> {
    let file: ModelFile = match optimised {
        Some(path) => {
            let note: Note = serde_json::from_slice(&std::fs::read(path.with_extension("json"))?)?;
            OptimisedFile::open(path, &note.digest, note.facts).context("the optimised form")?.into()
        }
        None => std::fs::read(OTHER.file()?)?.into(),
    };
    runtime.load(file, options).map_err(|error| anyhow!("{error}"))
}
