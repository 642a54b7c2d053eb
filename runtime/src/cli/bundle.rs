//! A model on this machine: one file, or a folder with its weights, its card and its samples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use modelet_control::wire::{Blob, PushFiles};
use modelet_inference::admission::{Admission, AdmissionLimits, ExternalData, admit};
use modelet_spec::{FilePath, ModelCard};

use super::client::Client;
use super::inspect::read;
use super::output;

/// The ONNX file's name: where a folder has several, and on the server where it has none of its own there.
const MAIN: &str = "model.onnx";
const CARD: &str = "card.toml";
const SAMPLES: &str = "samples";
/// A folder with more entries is not a model's.
const ENTRIES_MAX: usize = 10_000;

/// A model on this machine.
pub(crate) struct Bundle {
    /// The ONNX file.
    pub(crate) main: PathBuf,
    /// Whether it is a folder, which may hold weights in files of their own.
    pub(crate) is_folder: bool,
    /// The files with weights that the ONNX file refers to, as far as they are there.
    pub(crate) data: BTreeMap<FilePath, PathBuf>,
    /// Requests to try it with.
    pub(crate) samples: BTreeMap<FilePath, PathBuf>,
    /// Its card, if there is one.
    pub(crate) card: Option<ModelCard>,
    /// What the folder has beside.
    pub(crate) ignored: Vec<String>,
}

impl Bundle {
    /// Looks at a file or a folder. `card` is a card in another place.
    pub(crate) fn open(path: &Path, card: Option<&Path>) -> anyhow::Result<Self> {
        let card = card.map(read_card).transpose()?;
        if !path.exists() {
            bail!("{} is not there: name an ONNX file, or a folder with one", path.display());
        }
        if path.is_dir() {
            return Self::folder(path, card);
        }
        let (data, samples) = Default::default();
        Ok(Self { main: path.to_owned(), is_folder: false, data, samples, card, ignored: Vec::new() })
    }

    fn folder(folder: &Path, card: Option<ModelCard>) -> anyhow::Result<Self> {
        let mut files = BTreeSet::new();
        list(folder, folder, &mut files)?;
        let main = main(folder, &files)?;
        let has_card = files.contains(CARD);
        let card = match card {
            None if has_card => Some(read_card(&folder.join(CARD))?),
            card => card,
        };
        let refers_to = external(&folder.join(&main))?;
        let (mut data, mut samples, mut ignored) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for name in files {
            let is_sample =
                name.strip_prefix(SAMPLES).is_some_and(|rest| rest.starts_with('/') && rest.ends_with(".json"));
            let place = folder.join(&name);
            match name.parse::<FilePath>() {
                Ok(path) if refers_to.as_ref().is_some_and(|files| files.contains(&name)) => {
                    drop(data.insert(path, place))
                }
                Ok(path) if is_sample => drop(samples.insert(path, place)),
                _ if name == main || name == CARD || refers_to.is_none() => {}
                _ => ignored.push(name),
            }
        }
        Ok(Self { main: folder.join(main), is_folder: true, data, samples, card, ignored })
    }

    /// Whether it is one file and nothing else: it is sent as it is, without a name.
    pub(crate) fn is_alone(&self) -> bool {
        !self.is_folder && self.card.is_none()
    }

    /// What the ONNX file is called on the server. One that is alone, or whose name may not stand there, is called [`MAIN`].
    pub(crate) fn main_name(&self) -> anyhow::Result<FilePath> {
        let own = self.main.file_name().and_then(|name| name.to_str()).filter(|_| !self.is_alone());
        match own.map(str::parse) {
            Some(Ok(name)) => Ok(name),
            _ => MAIN.parse().map_err(|e| anyhow!("{e}")),
        }
    }

    /// Sends all its files, and says which they were. A file that is sent twice is sent whole twice: what the server has
    /// already is not for us to know.
    pub(crate) fn send(&self, client: &Client) -> anyhow::Result<PushFiles> {
        if !self.ignored.is_empty() {
            output::note(&format!("left out, because the model does not refer to it: {}", self.ignored.join(", ")));
        }
        let send = |(path, place): (&FilePath, &PathBuf)| -> anyhow::Result<_> {
            let blob: Blob = client.push_blob(place)?;
            Ok((path.clone(), blob.digest))
        };
        let mut files = self.data.iter().map(send).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        let (main, digest) = send((&self.main_name()?, &self.main))?;
        files.insert(main.clone(), digest);
        let samples = self.samples.iter().map(send).collect::<anyhow::Result<_>>()?;
        Ok(PushFiles { files, main: Some(main), card: self.card.clone(), label: None, samples })
    }
}

fn read_card(file: &Path) -> anyhow::Result<ModelCard> {
    let text = std::fs::read_to_string(file).map_err(|e| anyhow!("{} cannot be read: {e}", file.display()))?;
    ModelCard::parse(&text, &file.display().to_string()).map_err(|e| anyhow!("{e}"))
}

/// The files below a folder, by their paths in it. A link could lead anywhere, also to a secret of the person who pushes.
fn list(root: &Path, folder: &Path, files: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let unreadable = |e: std::io::Error| anyhow!("{} cannot be read: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let kind = path.symlink_metadata().map_err(unreadable)?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        // Version control's and editors' own.
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if kind.is_symlink() {
            bail!("{} is a link: put the file itself there, such as by `cp -rL`", path.display());
        }
        if kind.is_dir() {
            list(root, &path, files)?;
        } else if kind.is_file() {
            files.insert(name);
        }
        if files.len() > ENTRIES_MAX {
            bail!("{} has more than {ENTRIES_MAX} files: name the model's own folder", root.display());
        }
    }
    Ok(())
}

/// The ONNX file of a folder: `model.onnx`, or the only one.
fn main(folder: &Path, files: &BTreeSet<String>) -> anyhow::Result<String> {
    if files.contains(MAIN) {
        return Ok(MAIN.to_owned());
    }
    let onnx: Vec<&String> = files.iter().filter(|name| name.ends_with(".onnx") && !name.contains('/')).collect();
    match onnx.as_slice() {
        [only] => Ok((*only).clone()),
        [] => bail!("{} has no ONNX file: name the folder that {MAIN} is in", folder.display()),
        _ => bail!("{} has several ONNX files: call the model {MAIN}, or move the others", folder.display()),
    }
}

/// The files that an ONNX file refers to; `None` if admission refuses it: the server says why then.
fn external(main: &Path) -> anyhow::Result<Option<BTreeSet<String>>> {
    let limits = AdmissionLimits { external_data: ExternalData::Contained, ..AdmissionLimits::default() };
    let admitted = admit(&read(main)?, &limits).ok();
    let paths = |admission: Admission| admission.outline.external_files.into_iter().map(|file| file.path).collect();
    Ok(admitted.map(paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(folder: &Path) -> String {
        Bundle::open(folder, None).err().unwrap().to_string()
    }

    #[test]
    fn a_folder_has_one_onnx_file_or_model_onnx() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refusal(folder.path()).contains("has no ONNX file"));
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("net.onnx", "");
        write("notes.txt", "");
        write(".hidden", "");
        let bundle = Bundle::open(folder.path(), None).unwrap();
        assert_eq!(bundle.main, folder.path().join("net.onnx"));
        assert!(bundle.ignored.is_empty(), "of a file that is no model nobody knows what it refers to");
        write("other.onnx", "");
        assert!(refusal(folder.path()).contains("several ONNX files"));
        write("model.onnx", "");
        assert_eq!(Bundle::open(folder.path(), None).unwrap().main, folder.path().join("model.onnx"));
        write("card.toml", "licens = \"MIT\"");
        assert!(refusal(folder.path()).ends_with("card.toml:1: unknown key \"licens\"; did you mean \"licence\"?"));
    }

    #[test]
    fn a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("weights.bin")).unwrap();
        assert!(refusal(folder.path()).contains("is a link"));
    }
}
