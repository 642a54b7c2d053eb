//! Where things are on this machine.

use crate::failure::{Failure, While};
use std::env;
use std::path::{Path, PathBuf};

/// The folders that the commands read and write.
#[derive(Debug)]
pub(crate) struct Places {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    /// What was fetched and may be needed again by any checkout of this user; the server looks for ONNX Runtime there too.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// Finds them from where cargo says this package is, and from the environment.
    pub(crate) fn find() -> Result<Self, Failure> {
        let package =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root =
            package.join("../..").canonicalize().or_fail(|| format!("the repository above {}", package.display()))?;
        let target = target_folder(&root)?;
        let cache =
            cache_folder(env::var_os("XDG_CACHE_HOME").map(PathBuf::from), env::var_os("HOME").map(PathBuf::from))?;
        Ok(Self { root, target, cache })
    }

    /// The `modelet` binary of the profile that tests, the demo and CI share.
    pub(crate) fn modelet(&self) -> PathBuf {
        self.target.join("debug").join("modelet")
    }

    /// A path as a person in the repository would write it.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// Cargo put this program in `TARGET/debug`, which also covers a target directory set in a user's cargo configuration.
fn target_folder(root: &Path) -> Result<PathBuf, Failure> {
    if let Some(named) = env::var_os("CARGO_TARGET_DIR") {
        return std::path::absolute(named).or_fail(|| "CARGO_TARGET_DIR".to_owned());
    }
    let program = env::current_exe().or_fail(|| "the path of this program".to_owned())?;
    let beside = program.parent().filter(|folder| folder.ends_with("debug")).and_then(Path::parent);
    Ok(beside.map_or_else(|| root.join("target"), Path::to_path_buf))
}

fn cache_folder(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf, Failure> {
    // The XDG rules say that a relative path there is to be ignored.
    let base = xdg.filter(|path| path.is_absolute()).or_else(|| home.map(|home| home.join(".cache")));
    base.map(|base| base.join("modelet"))
        .ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set: there is no folder to keep downloads in"))
}

#[cfg(test)]
mod tests {
    use super::cache_folder;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_cache_follows_xdg_then_home() {
        let home = || Some(PathBuf::from("/home/ada"));
        assert_eq!(cache_folder(Some("/var/cache/ada".into()), home()).unwrap(), Path::new("/var/cache/ada/modelet"));
        assert_eq!(cache_folder(None, home()).unwrap(), Path::new("/home/ada/.cache/modelet"));
        assert_eq!(cache_folder(Some("relative".into()), home()).unwrap(), Path::new("/home/ada/.cache/modelet"));
        assert!(cache_folder(None, None).is_err());
    }
}
