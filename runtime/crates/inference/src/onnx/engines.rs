//! Where TensorRT keeps what it compiles of a model: minutes of work, worth a folder on disk.
//!
//! TensorRT reads these files itself, and code for the card is in them: whoever can write here runs code on the card. So
//! the folder lies in the data directory, which belongs to the server's user alone.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use modelet_spec::Digest;

use super::provider::Target;

/// Where the driver tells of the cards.
const CARDS: &str = "/proc/driver/nvidia/gpus";

/// What all engines together may take on disk, in bytes; the oldest go at the next start.
pub(crate) const BYTES_MAX: u64 = 16 << 30;

/// The folder for one model, made if it is not there. Another model, another ONNX Runtime, another set of cards or
/// another precision is another folder: what lies in it fits, or is not looked at. `None`: it cannot be made, and a line in
/// the log says so; then TensorRT compiles at each load.
pub(crate) fn folder(cache: &Path, model: &[u8], target: &Target) -> Option<PathBuf> {
    let folder = cache.join(name(model, target, ort::info(), &cards_in(Path::new(CARDS))));
    match DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "what TensorRT compiles cannot be kept");
            None
        }
    }
}

fn name(model: &[u8], target: &Target, version: &str, cards: &[String]) -> String {
    let settings = format!("{version}\n{}\n{}\n{}", target.device, target.fp16, cards.join("\n"));
    let short = |bytes: &[u8]| Digest::of(bytes).hex().chars().take(24).collect::<String>();
    format!("{}-{}", short(model), short(settings.as_bytes()))
}

/// The names of this machine's cards, as the driver tells them; none where it does not.
fn cards_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let texts = entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path().join("information")).ok());
    let model = |text: &str| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned());
    let mut cards: Vec<String> = texts.filter_map(|text| model(&text)).collect();
    cards.sort();
    cards
}

/// Removes the oldest folders until all together take at most `bytes_max`.
pub(crate) fn prune(cache: &Path, bytes_max: u64) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    let mut folders: Vec<(SystemTime, u64, PathBuf)> =
        entries.flatten().filter_map(|entry| sized(&entry.path())).collect();
    folders.sort();
    let mut total = folders.iter().fold(0u64, |sum, (_, bytes, _)| sum.saturating_add(*bytes));
    for (_, bytes, folder) in folders {
        if total <= bytes_max {
            return;
        }
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => total = total.saturating_sub(bytes),
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "an old engine could not be removed"),
        }
    }
}

/// When something in a folder was last written, and its bytes.
fn sized(folder: &Path) -> Option<(SystemTime, u64, PathBuf)> {
    let files = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.metadata().ok());
    let (mut newest, mut bytes) = (folder.metadata().ok()?.modified().ok()?, 0u64);
    for file in files {
        newest = newest.max(file.modified().ok()?);
        bytes = bytes.saturating_add(file.len());
    }
    Some((newest, bytes, folder.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::Device;

    #[test]
    fn engines_of_another_model_library_card_or_precision_lie_apart() {
        let target = Target::of(Device::TensorRt(0), 1);
        let cards = ["NVIDIA A".to_owned()];
        let one = name(b"a", &target, "1.31.1", &cards);
        assert_eq!(one, name(b"a", &target, "1.31.1", &cards));
        let half = Target { fp16: true, ..target.clone() };
        let others = [
            name(b"b", &target, "1.31.1", &cards),
            name(b"a", &target, "1.31.2", &cards),
            name(b"a", &target, "1.31.1", &[]),
            name(b"a", &half, "1.31.1", &cards),
            name(b"a", &Target::of(Device::TensorRt(1), 1), "1.31.1", &cards),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn cards_are_read_as_the_driver_tells_them() {
        let dir = tempfile::tempdir().unwrap();
        for (bus, model) in [("0000:02:00.0", "NVIDIA B"), ("0000:01:00.0", "NVIDIA A")] {
            std::fs::create_dir(dir.path().join(bus)).unwrap();
            let text = format!("Model: \t\t {model}\nIRQ:   \t\t 16\n");
            std::fs::write(dir.path().join(bus).join("information"), text).unwrap();
        }
        assert_eq!(cards_in(dir.path()), ["NVIDIA A", "NVIDIA B"]);
        assert!(cards_in(&dir.path().join("none")).is_empty());
    }

    #[test]
    fn the_oldest_engines_go_when_all_take_too_much() {
        let dir = tempfile::tempdir().unwrap();
        for (age, folder) in ["new", "middle", "old"].iter().enumerate() {
            let folder = dir.path().join(folder);
            std::fs::create_dir(&folder).unwrap();
            let file = std::fs::File::create(folder.join("engine")).unwrap();
            file.set_len(100).unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age as u64);
            file.set_modified(written).unwrap();
            std::fs::File::open(&folder).unwrap().set_modified(written).unwrap();
        }
        prune(dir.path(), 300);
        assert!(dir.path().join("old").exists());
        prune(dir.path(), 250);
        assert!(!dir.path().join("old").exists() && dir.path().join("middle").exists());
        prune(&dir.path().join("none"), 0);
    }
}
