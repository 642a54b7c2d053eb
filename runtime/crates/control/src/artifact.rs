//! The files of a model: from the digests that a push names to what is loaded.

use std::collections::BTreeMap;

use modelet_inference::admission::{self, Admission, AdmissionLimits, ExternalData};
use modelet_spec::{ByteSize, Digest, FilePath, ModelCard, ServerLimits, TenantName};
use modelet_store::{FileEntry, FileRole, ModelVersion, Store, StoreError, content_digest};

use crate::error::ControlError;
use crate::forms::Source;
use crate::pinned::apart;
use crate::trial::TrialSample;
use crate::wire::PushFiles;

/// What the one file of a model is called that came without a name.
const MAIN: &str = "model.onnx";

/// What a push names, before anything of it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    main: FilePath,
    files: BTreeMap<FilePath, Digest>,
    samples: BTreeMap<FilePath, Digest>,
    /// Whether there could be more files than the one.
    pub(crate) is_folder: bool,
}

/// The files of one model in the store.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    /// Whose they are.
    pub(crate) tenant: TenantName,
    /// What they are called together.
    pub(crate) content: Digest,
    /// Sorted by path.
    pub(crate) files: Vec<FileEntry>,
}

impl Given {
    /// A model of one file.
    pub(crate) fn file(blob: Digest) -> Result<Self, ControlError> {
        let main: FilePath = MAIN.parse().map_err(|e| ControlError::Internal(format!("a file's path: {e}")))?;
        Ok(Self { files: BTreeMap::from([(main.clone(), blob)]), main, samples: BTreeMap::new(), is_folder: false })
    }

    /// Finds the ONNX file among several.
    pub(crate) fn folder(given: PushFiles) -> Result<Self, ControlError> {
        let PushFiles { files, main, samples, .. } = given;
        let onnx: Vec<&FilePath> = files.keys().filter(|path| path.as_str().ends_with(".onnx")).collect();
        let main = match (main, onnx.as_slice()) {
            (Some(main), _) => main,
            (None, [only]) => (*only).clone(),
            (None, several) => {
                let fix = "name the model among them under `main`";
                return Err(ControlError::Files(format!("{} of the files end with .onnx: {fix}", several.len())));
            }
        };
        if !files.contains_key(&main) {
            return Err(ControlError::Files(format!("`main` is {main}, which is not among `files`")));
        }
        if let Some(twice) = samples.keys().find(|path| files.contains_key(*path)) {
            return Err(ControlError::Files(format!("{twice} is among `files` and among `samples`")));
        }
        Ok(Self { main, files, samples, is_folder: true })
    }
}

impl Artifact {
    /// The files of a push, which its tenant must have sent.
    pub(crate) fn gather(
        store: &Store,
        tenant: &TenantName,
        given: &Given,
        limits: &ServerLimits,
    ) -> Result<Self, ControlError> {
        let role = |path: &FilePath| if *path == given.main { FileRole::Model } else { FileRole::Data };
        let files = given.files.iter().map(|(path, digest)| (path, role(path), digest));
        let samples = given.samples.iter().map(|(path, digest)| (path, FileRole::Sample, digest));
        let (mut gathered, mut left) = (Vec::new(), limits.model_bytes.0);
        for (path, role, digest) in files.chain(samples) {
            // What another tenant has is as good as absent.
            let bytes = if store.holds(tenant, digest)? { store.blob_bytes(tenant, digest) } else { None };
            let bytes = bytes.ok_or(ControlError::NoBlob(*digest))?;
            let too_large =
                || ControlError::TooLarge { what: "model", limit: limits.model_bytes.0, key: "model_bytes" };
            left = left.checked_sub(bytes).ok_or_else(too_large)?;
            gathered.push(FileEntry { path: path.clone(), role, digest: *digest, bytes });
        }
        gathered.sort();
        Ok(Self { tenant: tenant.clone(), content: content_digest(&gathered), files: gathered })
    }

    /// The files of a version.
    pub(crate) fn of(version: &ModelVersion) -> Self {
        Self { tenant: version.tenant.clone(), content: version.digest, files: version.files.clone() }
    }

    /// The bytes of the ONNX file.
    pub(crate) fn main(&self, store: &Store) -> Result<Vec<u8>, StoreError> {
        let main = self.files.iter().find(|file| file.role == FileRole::Model);
        // A version without its ONNX file was removed; its content is what to name.
        store.blob(&self.tenant, &main.map_or(self.content, |main| main.digest))
    }

    /// What it is tried with and loaded from, laid on the disk where there are several files.
    pub(crate) fn source(&self, store: &Store, name: String, card: &ModelCard) -> Result<Source, StoreError> {
        let main = self.files.iter().find(|file| file.role == FileRole::Model).map_or(self.content, |main| main.digest);
        let folder = match self.data().next() {
            Some(_) => Some(store.model_folder(&self.tenant, &self.content, &self.files)?),
            None => None,
        };
        let samples = self.files.iter().filter(|file| file.role == FileRole::Sample).map(|file| {
            let json = String::from_utf8_lossy(&store.blob(&self.tenant, &file.digest)?).into_owned();
            Ok(TrialSample { name: file.path.to_string(), json })
        });
        Ok(Source {
            name,
            content: self.content,
            main: (store.blob_path(&self.tenant, &main), main),
            folder,
            samples: samples.collect::<Result<_, StoreError>>()?,
            card: card.clone(),
            apart: apart(store, &self.tenant),
        })
    }

    /// Checks the ONNX file before ONNX Runtime sees it, and that the other files are what it refers to.
    pub(crate) fn admit(&self, main: &[u8], is_folder: bool, limits: &ServerLimits) -> Result<Admission, ControlError> {
        let defaults = AdmissionLimits::default();
        let limits = AdmissionLimits {
            made_bytes: defaults.made_bytes.min(limits.inference_memory.0),
            external_data: if is_folder { ExternalData::Contained } else { ExternalData::Refused },
            ..defaults
        };
        let admission = admission::admit(main, &limits).map_err(|refused| ControlError::Model(refused.to_string()))?;
        for needed in &admission.outline.external_files {
            let path = &needed.path;
            match self.data().find(|file| file.path.as_str() == path) {
                None => {
                    return Err(ControlError::Model(format!("its weights are in {path}, which did not come with it")));
                }
                Some(file) if file.bytes < needed.bytes => {
                    let (has, needs) = (ByteSize(file.bytes), ByteSize(needed.bytes));
                    return Err(ControlError::Model(format!("{path} has {has}, and its weights end at {needs}")));
                }
                Some(_) => {}
            }
        }
        let is_needed =
            |file: &&FileEntry| admission.outline.external_files.iter().any(|needed| needed.path == file.path.as_str());
        match self.data().find(|file| !is_needed(file)) {
            Some(stray) => {
                Err(ControlError::Files(format!("the model does not refer to {}: leave it out", stray.path)))
            }
            None => Ok(admission),
        }
    }

    fn data(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| file.role == FileRole::Data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str], main: Option<&str>) -> Result<Given, String> {
        let files = paths.iter().map(|path| (path.parse().unwrap(), Digest::of(path.as_bytes()))).collect();
        let main = main.map(|main| main.parse().unwrap());
        Given::folder(PushFiles { files, main, ..PushFiles::default() }).map_err(|error| error.to_string())
    }

    #[test]
    fn the_onnx_file_is_the_one_that_is_named_or_the_only_one() {
        assert_eq!(files(&["a.onnx", "w.bin"], None).unwrap().main.as_str(), "a.onnx");
        assert_eq!(files(&["a.onnx", "b.onnx"], Some("b.onnx")).unwrap().main.as_str(), "b.onnx");
        assert_eq!(files(&["net.bin"], Some("net.bin")).unwrap().main.as_str(), "net.bin");
        assert!(files(&["a.onnx", "b.onnx"], None).unwrap_err().contains("2 of the files end with .onnx"));
        assert!(files(&["w.bin"], None).unwrap_err().contains("0 of the files end with .onnx"));
        assert!(files(&["a.onnx"], Some("b.onnx")).unwrap_err().contains("not among `files`"));
    }
}
