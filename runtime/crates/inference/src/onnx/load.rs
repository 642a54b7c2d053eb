//! From a model's file to a first session and a description.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::Environment;
use super::options::{SessionPlace, SessionSettings};
use super::session::Session;
use crate::admission::{self, Admission, AdmissionLimits, ExternalData};
use crate::description::{Description, Port};
use crate::error::LoadError;
use crate::model_file::ModelFile;
use crate::stop::LoadStop;

/// What whoever loads a model may choose.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Threads inside one operator.
    pub(crate) intra_threads: usize,
    /// Rewrite the graph for speed while loading.
    pub(crate) optimise: bool,
    /// Keep rearranged copies of weights for speed.
    pub(crate) prepack: bool,
    /// Write what the graph has become to this file.
    pub(crate) optimised_to: Option<PathBuf>,
    /// Where it runs.
    pub(crate) place: SessionPlace,
}

/// A model's first session, and what is needed for further ones.
pub(crate) struct Loaded {
    pub(crate) session: Session,
    pub(crate) settings: SessionSettings,
    pub(crate) file: ModelFile,
    pub(crate) description: Description,
}

/// Operators whose kernels compute with the rearranged weights only, or which ONNX Runtime fuses into such.
const NEED_PREPACKING: [&str; 2] = ["com.microsoft::MatMulNBits", "DequantizeLinear"];

/// Weights that one optimised form holds: a flatbuffer ends at 2 GiB, and the graph needs some of them.
const FORM_BYTES_MAX: u64 = 1900 << 20;

/// Checks a model's file, loads a first session of it, and describes it. What a trial has checked is taken as it is.
pub(crate) fn load(
    environment: &Environment,
    file: ModelFile,
    wish: Wish,
    stop: &LoadStop,
) -> Result<Loaded, LoadError> {
    let admission = match &file {
        ModelFile::Onnx { .. } => Arc::new(admit(&file, environment.arena_max)?),
        ModelFile::Optimised(optimised) => Arc::clone(&optimised.facts().description.admission),
    };
    let needs_prepacking = NEED_PREPACKING.iter().any(|name| admission.outline.operators.contains_key(*name));
    let settings = SessionSettings {
        intra_threads: wish.intra_threads,
        optimise: wish.optimise,
        prepack: wish.prepack || needs_prepacking,
        folded_bytes_max: folded_bytes_max(environment.arena_max, admission.outline.nodes),
        place: wish.place,
        optimised_to: wish.optimised_to.filter(|_| admission.outline.initializer_bytes < FORM_BYTES_MAX),
    };
    let session = Session::load(environment, &file, &settings, stop)?;
    let (inputs, outputs) = session.ports()?;
    let description = match &file {
        ModelFile::Onnx { .. } => {
            let (metadata, opsets) = (admission.outline.metadata.clone(), admission.outline.opsets.clone());
            Description { inputs, outputs, metadata, opsets, admission }
        }
        ModelFile::Optimised(optimised) => same(&optimised.facts().description, &inputs, &outputs)?,
    };
    // Further sessions do not write the file once more.
    let settings = SessionSettings { optimised_to: None, ..settings };
    Ok(Loaded { session, settings, file, description })
}

/// The description that a trial wrote down, if the optimised form has the same ports.
fn same(known: &Description, inputs: &[Port], outputs: &[Port]) -> Result<Description, LoadError> {
    let alike = |known: &[Port], found: &[Port]| {
        known.len() == found.len()
            && known.iter().zip(found).all(|(a, b)| a.name == b.name && a.element_type == b.element_type)
    };
    if alike(&known.inputs, inputs) && alike(&known.outputs, outputs) {
        return Ok(known.clone());
    }
    Err(LoadError::Invalid("its optimised form has other inputs or outputs than the model".to_owned()))
}

fn admit(file: &ModelFile, arena_max: u64) -> Result<Admission, LoadError> {
    let defaults = AdmissionLimits::default();
    let limits = AdmissionLimits {
        made_bytes: defaults.made_bytes.min(arena_max),
        external_data: if file.folder().is_some() { ExternalData::Contained } else { ExternalData::Refused },
        ..defaults
    };
    let admission = admission::admit(file.bytes(), &limits)?;
    if let Some(folder) = file.folder() {
        admission.outline.external_files.iter().try_for_each(|file| plain_file(folder, &file.path))?;
    }
    Ok(admission)
}

/// Whether a file with weights is one itself and nothing that leads out of the folder.
fn plain_file(folder: &Path, name: &str) -> Result<(), LoadError> {
    let refuse = |why: String| LoadError::Invalid(format!("the file `{name}` with weights {why}"));
    let mut path = folder.to_owned();
    let mut is_file = false;
    for part in Path::new(name) {
        path.push(part);
        let found = path.symlink_metadata().map_err(|error| refuse(format!("cannot be read: {}", error.kind())))?;
        if found.is_symlink() {
            return Err(refuse("is behind a link; put the file itself there".to_owned()));
        }
        is_file = found.is_file();
    }
    if is_file { Ok(()) } else { Err(refuse("is no file".to_owned())) }
}

/// What one folded constant may take, so that all nodes together cannot fold more than the arena holds.
///
/// Folding is outside the arena, hence this bound of its own. The ends: 64 KiB folds all that matters for shapes,
/// 64 MiB unfolds the largest embedding table met so far.
pub(crate) fn folded_bytes_max(arena_max: u64, nodes: u64) -> u64 {
    (arena_max / nodes.max(1)).clamp(64 << 10, 64 << 20)
}
