//! A model: what it is made of, and admission's verdict. No ONNX Runtime is needed for it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use modelet_control::describe_outline;
use modelet_control::wire::ModelDescription;
use modelet_inference::admission::{Admission, AdmissionLimits, ExternalData, RefusedKind, RowMixing, admit};
use modelet_spec::Digest;
use serde::Serialize;

use super::{print_ports, read};
use crate::cli::bundle::Bundle;
use crate::cli::output;
use crate::config::{Config, Sources};

/// What is known of a model.
#[derive(Serialize)]
struct Report {
    bytes: u64,
    digest: Digest,
    /// `admitted` or `refused`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    #[serde(flatten)]
    content: Option<Content>,
}

#[derive(Serialize)]
struct Refusal {
    /// `malformed`, `unsupported` or `too-large`.
    kind: &'static str,
    /// Names the node, tensor or file.
    message: String,
}

/// What an admitted model is made of.
#[derive(Serialize)]
struct Content {
    #[serde(flatten)]
    description: ModelDescription,
    ir_version: i64,
    producer: String,
    metadata: BTreeMap<String, String>,
    /// How often each stands in the file.
    operators: BTreeMap<String, u64>,
    nodes: u64,
    functions: u64,
    subgraph_depth: u32,
    initializers: u64,
    initializer_bytes: u64,
    row_mixing: Mixing,
    external_files: Vec<External>,
}

/// Whether one caller's rows can change another's answer when their calls are joined.
#[derive(Serialize)]
struct Mixing {
    mixes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct External {
    path: String,
    /// How long it must be.
    needed_bytes: u64,
    /// How long it is; none if it is not there.
    bytes: Option<u64>,
}

pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<()> {
    let bundle = Bundle::open(path, None)?;
    let report = Report::of(&bundle)?;
    if json {
        output::json(&report)?;
    } else {
        report.print(&bundle);
    }
    match &report.refusal {
        Some(refusal) => bail!("{} is refused: {}", bundle.main.display(), refusal.message),
        None => Ok(()),
    }
}

impl Report {
    fn of(bundle: &Bundle) -> anyhow::Result<Self> {
        let bytes = read(&bundle.main)?;
        let defaults = AdmissionLimits::default();
        let limits = AdmissionLimits {
            made_bytes: defaults.made_bytes.min(Config::load(&Sources::default())?.limits.inference_memory.0),
            external_data: if bundle.is_folder { ExternalData::Contained } else { ExternalData::Refused },
            ..defaults
        };
        let (content, refusal) = match admit(&bytes, &limits) {
            Ok(admission) => {
                let content = Content::of(admission, bundle);
                let refusal = content.missing();
                (Some(content), refusal)
            }
            Err(refused) => {
                let kind = match refused.kind {
                    RefusedKind::Malformed => "malformed",
                    RefusedKind::Unsupported => "unsupported",
                    RefusedKind::TooLarge => "too-large",
                };
                (None, Some(Refusal { kind, message: refused.message }))
            }
        };
        let verdict = if refusal.is_none() { "admitted" } else { "refused" };
        Ok(Self { bytes: bytes.len() as u64, digest: Digest::of(&bytes), verdict, refusal, content })
    }

    fn print(&self, bundle: &Bundle) {
        output::line(&format!("{}  {}  {}", bundle.main.display(), output::size(self.bytes), self.digest));
        output::line(&format!("{:13} {}", "verdict", self.verdict));
        if let Some(content) = &self.content {
            content.print();
        }
        if !bundle.ignored.is_empty() {
            output::line(&format!("{:13} {}", "ignored", bundle.ignored.join(", ")));
        }
    }
}

impl Content {
    fn of(admission: Admission, bundle: &Bundle) -> Self {
        let description = describe_outline(&admission.outline);
        let outline = admission.outline;
        let length = |path: &str| {
            let (_, place) = bundle.data.iter().find(|(there, _)| there.as_str() == path)?;
            Some(std::fs::metadata(place).ok()?.len())
        };
        let external = outline.external_files.into_iter();
        let external =
            external.map(|file| External { bytes: length(&file.path), path: file.path, needed_bytes: file.bytes });
        let row_mixing = match admission.row_mixing {
            RowMixing::No => Mixing { mixes: false, why: None },
            RowMixing::Yes { node, op, why } => {
                let op = if op.is_empty() { String::new() } else { format!(" ({op})") };
                Mixing { mixes: true, why: Some(format!("{node}{op} {why}")) }
            }
        };
        Self {
            description,
            ir_version: outline.ir_version,
            producer: outline.producer,
            metadata: outline.metadata,
            operators: outline.operators,
            nodes: outline.nodes,
            functions: outline.functions,
            subgraph_depth: outline.subgraph_depth,
            initializers: outline.initializers,
            initializer_bytes: outline.initializer_bytes,
            row_mixing,
            external_files: external.collect(),
        }
    }

    /// The first file with weights that is not there, or too short.
    fn missing(&self) -> Option<Refusal> {
        let short = self.external_files.iter().find(|file| file.bytes.is_none_or(|bytes| bytes < file.needed_bytes))?;
        let message = match short.bytes {
            None => format!("its weights are in {}, which is not there", short.path),
            Some(bytes) => format!("{} has {bytes} bytes, and its weights end at {}", short.path, short.needed_bytes),
        };
        Some(Refusal { kind: "malformed", message })
    }

    fn print(&self) {
        let line = |what: &str, text: &str| output::line(&format!("{what:13} {text}"));
        let counted = |pairs: &mut dyn Iterator<Item = String>| pairs.collect::<Vec<_>>().join(", ");
        line("format", &format!("IR version {}, written by {:?}", self.ir_version, self.producer));
        let domain = |name: &str| if name.is_empty() { "ai.onnx".to_owned() } else { name.to_owned() };
        let opsets = &mut self.description.opsets.iter().map(|(name, version)| format!("{} {version}", domain(name)));
        line("operator sets", &counted(opsets));
        line("operators", &counted(&mut self.operators.iter().map(|(name, times)| format!("{name} × {times}"))));
        line("nodes", &format!("{}, subgraphs {} deep, {} functions", self.nodes, self.subgraph_depth, self.functions));
        line("weights", &format!("{} in {} initializers", output::size(self.initializer_bytes), self.initializers));
        let mixing = self.row_mixing.why.as_ref().map_or("stay apart".to_owned(), |why| format!("may mix: {why}"));
        line("rows", &mixing);
        for file in &self.external_files {
            let there = file.bytes.map_or("not there".to_owned(), output::size);
            line("other file", &format!("{}  {there}, needs {}", file.path, output::size(file.needed_bytes)));
        }
        print_ports(&self.description);
    }
}
