//! `modelet inspect FILE.wasm|FILE.onnx`: what a component asks for, what a model takes and gives.

use std::path::Path;

use anyhow::{anyhow, bail};
use modelet_control::wire::ModelDescription;
use modelet_control::{TrialJob, Trials, describe};
use modelet_engine::{Engine, EngineConfig, Inspection};
use modelet_spec::{Digest, ModelCard};
use serde::Serialize;

use super::InspectArgs;
use super::output;
use crate::config::{Config, Sources};

/// What a component is made of.
#[derive(Debug, Serialize)]
pub(crate) struct ComponentReport {
    /// Its size.
    pub(crate) bytes: u64,
    digest: Digest,
    kind: String,
    capabilities: Vec<String>,
    standard: Vec<String>,
    exports: Vec<String>,
    refused: Vec<RefusedReport>,
}

#[derive(Debug, Serialize)]
struct RefusedReport {
    import: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct ModelReport {
    bytes: u64,
    digest: Digest,
    #[serde(flatten)]
    description: ModelDescription,
}

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let bytes = read(&args.file)?;
    if bytes.starts_with(b"\0asm") {
        let report = ComponentReport::of(&Engine::new(EngineConfig::default())?, &bytes)?;
        if args.json {
            return output::json(&report);
        }
        output::line(&format!("{}  {}  {}", args.file.display(), output::size(report.bytes), report.digest));
        report.print();
        return Ok(());
    }
    if args.file.extension().is_some_and(|e| e == "wasm") {
        bail!("{} is not WebAssembly: build it with `--target wasm32-wasip2`", args.file.display());
    }
    let report = model(&args.file, &bytes)?;
    if args.json {
        return output::json(&report);
    }
    output::line(&format!("{}  {}  {}", args.file.display(), output::size(report.bytes), report.digest));
    print_ports(&report.description);
    Ok(())
}

/// A whole file, with its name in the error.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| anyhow!("{} cannot be read: {e}", file.display()))
}

/// The inputs and outputs of a model as a table.
pub(crate) fn print_ports(description: &ModelDescription) {
    let row = |direction: &str, port: &modelet_control::wire::ModelPort| {
        let shape = port.shape.as_ref().map_or("any".to_owned(), |dims| format!("[{}]", dims.join(", ")));
        vec![direction.to_owned(), port.name.clone(), port.element_type.clone(), shape]
    };
    let inputs = description.inputs.iter().map(|port| row("in", port));
    let rows: Vec<Vec<String>> = inputs.chain(description.outputs.iter().map(|port| row("out", port))).collect();
    output::table(&["", "name", "type", "shape"], &rows);
}

/// Tries the file in a process of its own, as a push would: what it does there, it does not do here.
fn model(file: &Path, bytes: &[u8]) -> anyhow::Result<ModelReport> {
    let config = Config::load(&Sources::default())?;
    let library = crate::assemble::runtime_config(&config).library.find()?;
    let trials = Trials::new(crate::assemble::trial_config(&config));
    let job = TrialJob {
        name: file.display().to_string(),
        library,
        model: file.canonicalize()?,
        folder: None,
        optimised_to: None,
        samples: Vec::new(),
        card: ModelCard::default(),
        limits: trials.limits(),
    };
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let facts = executor.block_on(trials.run(job)).map_err(|e| anyhow!("{e}"))?;
    let description = describe(&facts.description);
    Ok(ModelReport { bytes: bytes.len() as u64, digest: Digest::of(bytes), description })
}

impl ComponentReport {
    /// Reads a component's imports and exports.
    pub(crate) fn of(engine: &Engine, wasm: &[u8]) -> anyhow::Result<Self> {
        let inspection: Inspection = engine.inspect(wasm)?;
        let refused = inspection.refused.into_iter();
        Ok(Self {
            bytes: inspection.bytes,
            digest: Digest::of(wasm),
            kind: inspection.kind,
            capabilities: inspection.capabilities,
            standard: inspection.standard,
            exports: inspection.exports,
            refused: refused.map(|r| RefusedReport { import: r.import, why: r.why.to_owned() }).collect(),
        })
    }

    /// Whether a deploy would take these imports; if not, they are named.
    pub(crate) fn accepted(&self) -> anyhow::Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        let refused: Vec<String> = self.refused.iter().map(|r| format!("`{}` ({})", r.import, r.why)).collect();
        bail!("the component needs what no Modelet server offers: {}", refused.join(", "))
    }

    /// Prints it for a person.
    pub(crate) fn print(&self) {
        output::line(&format!("kind          {}", self.kind));
        let list = |title: &str, names: &[String]| {
            for (n, name) in names.iter().enumerate() {
                output::line(&format!("{:13} {name}", if n == 0 { title } else { "" }));
            }
        };
        list("capabilities", &self.capabilities);
        list("linked empty", &self.standard);
        list("exports", &self.exports);
        for refused in &self.refused {
            output::line(&format!("{:13} {}: {}", "REFUSED", refused.import, refused.why));
        }
    }
}
