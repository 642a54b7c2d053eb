//! The files of the new version.

use std::sync::Arc;

use modelet_spec::Label;
use modelet_store::{FileRole, ModelVersion, OutputFile};

use crate::acting::Acting;
use crate::artifact::Given;
use crate::control::blocking;
use crate::error::ControlError;
use crate::pinned::card;
use crate::push::{self, Push};
use crate::wire::PushFiles;

/// Pushes the new file, which lies at `place`, in the old one's place: with its other files, its samples and its card.
pub(super) async fn push(
    control: &Acting,
    from: &ModelVersion,
    place: OutputFile,
    label: Option<Label>,
) -> Result<ModelVersion, ControlError> {
    let (this, old) = (Arc::clone(control), from.clone());
    let wish = blocking(move || {
        let main = old.main().ok_or_else(|| ControlError::NoModel(old.name.to_string()))?;
        let made = std::fs::read(place.path());
        let made = made.map_err(|error| ControlError::Internal(format!("a rewritten file cannot be read: {error}")))?;
        let digest = this.store.put_blob(&old.tenant, &made, this.quota(&old.tenant))?;
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
