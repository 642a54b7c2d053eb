//! A bare `ort` call of a model: one session, one thread, nothing around it. Each line on stdin asks for that many calls
//! and gets their mean in microseconds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionOutputs};
use ort::value::{DynValue, TensorRef};

use crate::support::child::pinned;

/// Values of one picture.
const PIXELS: usize = 64;

/// What the picture holds everywhere: the same as that of the guest `nn_loop`.
const GREY: f32 = 0.0;

/// Asks a child of [`serve`].
pub(crate) struct Bare {
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Bare {
    /// Starts the child on the servers' core.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start(library: &Path, model: &Path) -> Result<Self> {
        let mut command = pinned(&std::env::current_exe()?, &["serve", "ort"]);
        let mut child = command.args([library, model]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ask = child.stdin.take().context("its stdin")?;
        let told = BufReader::new(child.stdout.take().context("its stdout")?);
        Ok(Self { child, ask, told })
    }

    /// The mean of so many calls, in microseconds.
    ///
    /// # Errors
    /// When the child has failed; it has said why on stderr.
    pub(crate) fn mean(&mut self, calls: u32) -> Result<f64> {
        writeln!(self.ask, "{calls}")?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the bare calls said {line:?}"))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs until stdin ends.
///
/// # Errors
/// When the library or the model cannot be loaded or run.
pub(crate) fn serve(library: &Path, model: &Path) -> Result<()> {
    let mut session = load(library, model).map_err(|error| anyhow!("{error}"))?;
    for line in std::io::stdin().lines() {
        let calls: u32 = line?.trim().parse()?;
        let begun = Instant::now();
        for _ in 0..calls {
            call(&mut session).map_err(|error| anyhow!("{error}"))?;
        }
        let mean = begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls);
        writeln!(std::io::stdout(), "{mean}")?;
    }
    Ok(())
}

fn load(library: &Path, model: &Path) -> Result<Session, Box<dyn std::error::Error>> {
    let environment = ort::init_from(library)?.with_name("bench").with_telemetry(false).build()?;
    let builder = Session::builder(&environment)?.with_intra_threads(1)?.with_inter_threads(1)?;
    let builder = builder.with_intra_op_spinning(false)?.with_optimization_level(GraphOptimizationLevel::All);
    Ok(builder?.commit_from_file(model)?)
}

/// One call, with its input made and its outputs read.
fn call(session: &mut Session) -> ort::Result<()> {
    let pixels = [GREY; PIXELS];
    let outputs = session.run(ort::inputs!["X" => TensorRef::from_array_view(([1, PIXELS], &pixels[..]))?])?;
    let (_, label) = named(&outputs, "label")?.try_extract_tensor::<i64>()?;
    let (_, probabilities) = named(&outputs, "probabilities")?.try_extract_tensor::<f32>()?;
    std::hint::black_box((label.first(), probabilities.first()));
    Ok(())
}

fn named<'a>(outputs: &'a SessionOutputs<'_>, name: &str) -> ort::Result<&'a DynValue> {
    outputs.get(name).ok_or_else(|| ort::Error::new(format!("the model has no output `{name}`")))
}
