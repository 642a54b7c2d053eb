//! `modelet inspect FILE.wasm|FILE.onnx|DIR`: what a component asks for, what a model is made of and whether it is admitted.

mod model;

use std::path::Path;

use anyhow::{anyhow, bail};
use modelet_control::wire::ModelDescription;
use modelet_engine::{Engine, EngineConfig, Inspection};
use modelet_spec::Digest;
use serde::Serialize;

use super::InspectArgs;
use super::output;

/// What a component is made of.
#[derive(Debug, Serialize)]
pub(crate) struct ComponentReport {
    /// Its size.
    pub(crate) bytes: u64,
    digest: Digest,
    kind: String,
    /// What of its capabilities reaches beyond the sandbox.
    powers: Vec<&'static str>,
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

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    if args.file.is_dir() {
        return model::run(&args.file, args.json);
    }
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
    model::run(&args.file, args.json)
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

impl ComponentReport {
    /// Reads a component's imports and exports.
    pub(crate) fn of(engine: &Engine, wasm: &[u8]) -> anyhow::Result<Self> {
        let inspection: Inspection = engine.inspect(wasm)?;
        let powers = inspection.powers();
        let refused = inspection.refused.into_iter();
        Ok(Self {
            bytes: inspection.bytes,
            digest: Digest::of(wasm),
            powers,
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
        let none = ["none: it only computes, and answers".to_owned()];
        let powers: Vec<String> = self.powers.iter().map(|power| (*power).to_owned()).collect();
        list("powers", if powers.is_empty() { &none } else { &powers });
        list("capabilities", &self.capabilities);
        list("linked empty", &self.standard);
        list("exports", &self.exports);
        for refused in &self.refused {
            output::line(&format!("{:13} {}: {}", "REFUSED", refused.import, refused.why));
        }
    }
}
