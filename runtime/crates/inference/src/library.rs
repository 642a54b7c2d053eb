//! Where `libonnxruntime` is looked for: only where an operator or `cargo xtask setup` put it.
//!
//! Never in the data directory: whoever can write there must not be able to run code here.

use std::path::{Path, PathBuf};

use crate::error::LibraryError;

/// The version that `cargo xtask setup` fetches and that the tests run with.
pub const VERSION: &str = "1.31.1";

/// File names tried inside a folder, the exact version first.
const NAMES: [&str; 3] = ["libonnxruntime.so.1.31.1", "libonnxruntime.so.1", "libonnxruntime.so"];

/// The places to look at, in this order. `Default` is none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibrarySource {
    /// The configuration key's value: a file, or a folder that holds one.
    pub configured: Option<PathBuf>,
    /// The environment variable's value: a file or a folder. Read by the caller; this crate reads no environment.
    pub environment: Option<PathBuf>,
    /// The folder of the running binary.
    pub exe_dir: Option<PathBuf>,
    /// The user's cache folder (`~/.cache`), in which `modelet/onnxruntime-1.31.1/` is looked at.
    pub cache_dir: Option<PathBuf>,
}

impl LibrarySource {
    /// The library's file.
    ///
    /// # Errors
    /// Nothing was found; the error lists what was tried and names the fix.
    pub fn find(&self) -> Result<PathBuf, LibraryError> {
        find(
            self.configured.as_deref(),
            self.environment.as_deref(),
            self.exe_dir.as_deref(),
            self.cache_dir.as_deref(),
        )
    }
}

/// The library's file. A place that was named outright (`configured`, `env`) must hold it: silently taking another
/// library than the operator named would be worse than not starting.
///
/// # Errors
/// Nothing was found; the error lists what was tried and names the fix.
pub fn find(
    configured: Option<&Path>,
    env: Option<&Path>,
    exe_dir: Option<&Path>,
    cache_dir: Option<&Path>,
) -> Result<PathBuf, LibraryError> {
    if let Some(named) = configured.or(env) {
        return look_at(named).map_err(|why| LibraryError { tried: vec![(named.to_owned(), why)] });
    }
    let mut tried = Vec::new();
    let cached = cache_dir.map(setup_folder);
    for place in exe_dir.map(Path::to_owned).into_iter().chain(cached) {
        match look_at(&place) {
            Ok(found) => return Ok(found),
            Err(why) => tried.push((place, why)),
        }
    }
    Err(LibraryError { tried })
}

/// The folder inside the user's cache folder that `cargo xtask setup` fills.
#[must_use]
pub fn setup_folder(cache_dir: &Path) -> PathBuf {
    cache_dir.join("modelet").join(format!("onnxruntime-{VERSION}"))
}

/// The user's cache folder, from the values of `XDG_CACHE_HOME` and `HOME`; what is not absolute does not count.
#[must_use]
pub fn user_cache(xdg_cache_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let absolute = |path: &&Path| path.is_absolute();
    let below_home = || home.filter(absolute).map(|home| home.join(".cache"));
    xdg_cache_home.filter(absolute).map(Path::to_owned).or_else(below_home)
}

fn look_at(place: &Path) -> Result<PathBuf, String> {
    let metadata = std::fs::metadata(place).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not there".to_owned(),
        _ => error.to_string(),
    })?;
    if metadata.is_file() {
        return Ok(place.to_owned());
    }
    let candidates = NAMES.iter().map(|name| place.join(name));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| "holds no libonnxruntime.so".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The crate's own folder: a place that exists and holds no library.
    const HERE: &str = env!("CARGO_MANIFEST_DIR");

    #[test]
    fn nothing_found_is_one_message_with_places_and_fix() {
        let here = Path::new(HERE);
        let error = find(None, None, Some(here), Some(&here.join("none"))).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.tried.len(), 2);
        assert!(message.contains("(holds no libonnxruntime.so)"), "{message}");
        assert!(message.contains("none/modelet/onnxruntime-1.31.1 (not there)"), "{message}");
        assert!(message.contains("cargo xtask setup"), "{message}");
        assert!(find(None, None, None, None).unwrap_err().to_string().starts_with("no libonnxruntime found; run"));
    }

    #[test]
    fn a_named_place_is_not_silently_replaced() {
        let here = Path::new(HERE);
        let manifest = here.join("Cargo.toml");
        assert_eq!(find(Some(&manifest), None, None, None).unwrap(), manifest);
        let missing = here.join("missing.so");
        assert_eq!(find(Some(&missing), Some(&manifest), Some(here), None).unwrap_err().tried[0].0, missing);
        assert_eq!(find(None, Some(&manifest), None, None).unwrap(), manifest);
    }

    #[test]
    fn the_cache_folder_follows_the_xdg_rules() {
        let (xdg, home) = (Path::new("/x"), Path::new("/home/u"));
        assert_eq!(user_cache(Some(xdg), Some(home)).unwrap(), xdg);
        assert_eq!(user_cache(None, Some(home)).unwrap(), Path::new("/home/u/.cache"));
        assert_eq!(user_cache(Some(Path::new("relative")), Some(home)).unwrap(), Path::new("/home/u/.cache"));
        assert_eq!(user_cache(None, None), None);
    }
}
