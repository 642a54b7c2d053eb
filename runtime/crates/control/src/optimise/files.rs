//! The files of the old version and of the new one.

use std::path::PathBuf;
use std::sync::Arc;

use modelet_inference::Inputs;
use modelet_inference::optimize::Optimized;
use modelet_spec::Label;
use modelet_store::{FileRole, ModelVersion};

use crate::artifact::{Artifact, Given};
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::pinned::card;
use crate::push::{self, Push};
use crate::sample;
use crate::wire::PushFiles;

/// What a version is loaded from, and tried with.
pub(super) struct Old {
    /// Its ONNX file.
    pub(super) main: Arc<[u8]>,
    /// Where its other files lie, if it has any.
    pub(super) folder: Option<PathBuf>,
    /// The samples that came with it.
    pub(super) samples: Vec<Inputs>,
}

/// Reads a version's files. Blocks.
pub(super) fn read(control: &Control, from: &ModelVersion) -> Result<Old, ControlError> {
    let artifact = Artifact::of(from);
    let source = artifact.source(&control.store, from.name.to_string(), &card(&from.card_json)?)?;
    let samples = source.samples.iter().map(|given| {
        let inputs = sample::parse(given.json.as_bytes());
        inputs.map_err(|why| ControlError::Model(format!("the sample {}: {why}", given.name)))
    });
    let samples = samples.collect::<Result<_, _>>()?;
    Ok(Old { main: artifact.main(&control.store)?.into(), folder: source.folder, samples })
}

/// Pushes the new file in the old one's place: with its other files, its samples and its card.
pub(super) async fn push(
    control: &Arc<Control>,
    from: &ModelVersion,
    made: Arc<Optimized>,
    label: Option<Label>,
) -> Result<ModelVersion, ControlError> {
    let (this, old) = (Arc::clone(control), from.clone());
    let wish = blocking(move || {
        let main = old.main().ok_or_else(|| ControlError::NoModel(old.name.to_string()))?;
        let digest = this.store.put_blob(&old.tenant, &made.bytes, this.quota())?;
        let of = |role| old.files.iter().filter(move |file| file.role == role);
        let mut files = PushFiles { main: Some(main.path.clone()), ..PushFiles::default() };
        files.files.extend(of(FileRole::Data).map(|file| (file.path.clone(), file.digest)));
        files.files.insert(main.path.clone(), digest);
        files.samples.extend(of(FileRole::Sample).map(|file| (file.path.clone(), file.digest)));
        let card = card(&old.card_json)?;
        Ok(Push { tenant: old.tenant.clone(), name: old.name.clone(), given: Given::folder(files)?, card, label })
    })
    .await?;
    push::push(control, wish).await
}
