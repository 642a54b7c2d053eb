//! Files that are either whole or not there.

use crate::failure::{Failure, While};
use crate::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The SHA-256 of a file as 64 hexadecimal digits, or `None` when there is no such file.
///
/// Computed by the system's tool: this program is built unoptimised, in which hashing 30 MB takes seconds.
pub(crate) fn sha256(path: &Path) -> Result<Option<String>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let output = process::quietly(Command::new("sha256sum").arg("--").arg(path))
        .or_else(|_| process::quietly(Command::new("shasum").args(["-a", "256"]).arg(path)))
        .or_fail(|| "neither sha256sum (package coreutils) nor shasum could hash a file".to_owned())?;
    // GNU's tool starts the line with a backslash when it had to escape the name.
    let digest: String = output.trim_start_matches('\\').chars().take_while(char::is_ascii_hexdigit).collect();
    if digest.len() == 64 { Ok(Some(digest)) } else { Err(Failure::new(format!("no SHA-256 in `{}`", output.trim()))) }
}

/// Whether the file is there with exactly these contents.
pub(crate) fn is_sound(path: &Path, expected_sha256: &str) -> Result<bool, Failure> {
    Ok(sha256(path)?.is_some_and(|digest| digest == expected_sha256))
}

/// Fails unless the file has exactly these contents.
pub(crate) fn check(path: &Path, expected_sha256: &str) -> Result<(), Failure> {
    match sha256(path)? {
        Some(digest) if digest == expected_sha256 => Ok(()),
        Some(digest) => Err(Failure::new(format!(
            "{} has SHA-256 {digest}, but {expected_sha256} is pinned: it is not used",
            path.display()
        ))),
        None => Err(Failure::new(format!("{} is missing", path.display()))),
    }
}

/// A folder that is removed when this value goes, unless it was renamed to its place before.
#[derive(Debug)]
pub(crate) struct Staging(PathBuf);

impl Staging {
    /// A new, empty folder beside `place`, so that a rename to it stays on one file system.
    pub(crate) fn beside(place: &Path) -> Result<Self, Failure> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let folder = place.with_file_name(format!(".{name}.new.{}", std::process::id()));
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).or_fail(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the whole folder appear as `place`, instead of what was there.
    pub(crate) fn publish(self, place: &Path) -> Result<(), Failure> {
        remove_folder(place)?;
        fs::rename(&self.0, place).or_fail(|| format!("moving {} to {}", self.0.display(), place.display()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing is lost when this fails: the next run clears the same name, or leaves another process's alone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a copy of a finished file appear at `place`, its folder included.
pub(crate) fn copy_to(from: &Path, place: &Path) -> Result<(), Failure> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).or_fail(|| format!("making {}", folder.display()))?;
    }
    // Copied beside its place first: `from` may be on another file system, over which a rename does not go.
    let beside = place.with_extension(format!("new.{}", std::process::id()));
    fs::copy(from, &beside).and_then(|_| fs::rename(&beside, place)).or_fail(|| format!("writing {}", place.display()))
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("removing {}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Staging, check, is_sound, sha256};
    use std::fs;

    // The well-known digest of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_staged_folder_appears_whole_or_not_at_all() {
        let base = std::env::temp_dir().join(format!("xtask-files-{}", std::process::id()));
        let place = base.join("thing");
        let abandoned = Staging::beside(&place).unwrap();
        fs::write(abandoned.path().join("half"), "abc").unwrap();
        let left_behind = abandoned.path().to_path_buf();
        drop(abandoned);
        assert!(!left_behind.exists() && !place.exists());

        let staging = Staging::beside(&place).unwrap();
        fs::write(staging.path().join("whole"), "abc").unwrap();
        staging.publish(&place).unwrap();
        assert_eq!(sha256(&place.join("whole")).unwrap().as_deref(), Some(ABC));
        assert!(is_sound(&place.join("whole"), ABC).unwrap());
        assert!(!is_sound(&place.join("half"), ABC).unwrap());
        assert!(check(&place.join("whole"), &ABC.replace('b', "c")).unwrap_err().to_string().contains("is pinned"));
        fs::remove_dir_all(&base).unwrap();
    }
}
