//! A function's folder: its manifest, its build, its component.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow, bail};
use modelet_spec::manifest::{Build, Manifest};

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "function.toml";
/// The profiles whose output is looked at, when the build command names none.
const PROFILES: [&str; 3] = ["guest", "release", "debug"];
/// The folder of Cargo's target directory that holds components.
const TARGET: &str = "wasm32-wasip2";

/// A function's folder with its checked manifest.
pub(crate) struct Project {
    /// The folder.
    pub(crate) dir: PathBuf,
    /// What `function.toml` says.
    pub(crate) manifest: Manifest,
}

impl Project {
    /// Reads the manifest in `dir`; all its faults are told at once.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join(MANIFEST);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                bail!("there is no {MANIFEST} in {}: run this in a function's folder, or name it", dir.display())
            }
            Err(e) => bail!("{} cannot be read: {e}", file.display()),
        };
        let manifest = Manifest::parse(&text, &file.display().to_string()).map_err(|e| anyhow!("{e}"))?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// Runs the manifest's build command, if it has one. What it prints goes to stderr.
    pub(crate) fn build(&self) -> anyhow::Result<()> {
        let Some(command) = self.build_section()?.command.as_deref() else {
            return Ok(());
        };
        super::output::step(&format!("running `{command}` in {}", self.dir.display()));
        // stdout is for the result of `modelet build` alone.
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()))
            .status()
            .context("the build command could not be started: is there a shell `sh`?")?;
        if !status.success() {
            bail!(
                "the build command of {} failed ({status}): `{command}`; `modelet doctor` says what this machine lacks",
                self.dir.join(MANIFEST).display()
            );
        }
        Ok(())
    }

    /// The component: in the function's folder, or in Cargo's target directory.
    pub(crate) fn component(&self) -> anyhow::Result<PathBuf> {
        let build = self.build_section()?;
        let in_folder = self.dir.join(&build.component);
        if in_folder.is_file() {
            return Ok(in_folder);
        }
        let mut tried = vec![in_folder];
        for target in self.target_dirs() {
            for profile in profiles(build.command.as_deref()) {
                let file = target.join(TARGET).join(&profile).join(&build.component);
                if file.is_file() {
                    return Ok(file);
                }
                tried.push(file);
            }
        }
        let tried: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
        bail!("the component is not built; looked at {}: run `modelet build`", tried.join(", "))
    }

    fn build_section(&self) -> anyhow::Result<&Build> {
        let file = self.dir.join(MANIFEST);
        let example = "write [build] with component = \"NAME.wasm\"";
        self.manifest.build.as_ref().ok_or_else(|| anyhow!("{} says not which component: {example}", file.display()))
    }

    /// Cargo's target directories, the likeliest first: what Cargo itself says, then `target` here and above.
    fn target_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR").filter(|d| !d.is_empty()) {
            dirs.push(self.dir.join(dir));
        }
        if dirs.is_empty() {
            dirs.extend(self.cargo_target_dir());
        }
        let here = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        dirs.extend(here.ancestors().map(|folder| folder.join("target")).filter(|dir| dir.join(TARGET).is_dir()));
        dirs
    }

    /// What Cargo says, if the function is a Cargo package and Cargo is here. It knows workspaces and its own settings.
    fn cargo_target_dir(&self) -> Option<PathBuf> {
        if !self.dir.join("Cargo.toml").is_file() {
            return None;
        }
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(&self.dir)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(PathBuf::from(metadata.get("target_directory")?.as_str()?))
    }
}

/// The profiles to look at: first the one that the build command names.
fn profiles(command: Option<&str>) -> Vec<String> {
    let mut profiles: Vec<String> = PROFILES.map(str::to_owned).to_vec();
    let Some(command) = command else { return profiles };
    let words: Vec<&str> = command.split_whitespace().collect();
    let named = words.iter().zip(words.iter().skip(1)).find_map(|(word, next)| (*word == "--profile").then_some(*next));
    let named = named.or_else(|| words.iter().find_map(|w| w.strip_prefix("--profile=")));
    let named = match named {
        Some("dev" | "test") => Some("debug"),
        Some("bench") => Some("release"),
        Some(other) => Some(other),
        None if words.contains(&"--release") || words.contains(&"-r") => Some("release"),
        None => None,
    };
    if let Some(named) = named {
        profiles.retain(|profile| profile != named);
        profiles.insert(0, named.to_owned());
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_of_the_build_command_comes_first() {
        let first = |command: &str| profiles(Some(command)).remove(0);
        assert_eq!(first("cargo build --profile guest --target wasm32-wasip2"), "guest");
        assert_eq!(first("cargo build --profile=small"), "small");
        assert_eq!(first("cargo build --profile dev"), "debug");
        assert_eq!(first("cargo build --release"), "release");
        assert_eq!(profiles(Some("make")), ["guest", "release", "debug"]);
        assert_eq!(profiles(Some("cargo build --release")), ["release", "guest", "debug"]);
    }

    fn project(dir: &Path, manifest: &str) -> Project {
        std::fs::write(dir.join(MANIFEST), manifest).unwrap();
        Project::open(dir).unwrap()
    }

    #[test]
    fn a_component_is_found_in_the_folder_then_in_a_target_directory_above() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("functions/f");
        let built = root.path().join("target/wasm32-wasip2/guest");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::create_dir_all(&built).unwrap();
        let project = project(&dir, "name = \"f\"\n[build]\ncomponent = \"f.wasm\"\n");
        let error = project.component().unwrap_err().to_string();
        assert!(error.contains("not built") && error.contains("modelet build"), "{error}");
        std::fs::write(built.join("f.wasm"), "").unwrap();
        assert_eq!(project.component().unwrap(), built.join("f.wasm"));
        std::fs::write(dir.join("f.wasm"), "").unwrap();
        assert_eq!(project.component().unwrap(), dir.join("f.wasm"));
    }

    #[test]
    fn a_failing_build_command_is_named() {
        let root = tempfile::tempdir().unwrap();
        let project = project(root.path(), "name = \"f\"\n[build]\ncommand = \"exit 3\"\ncomponent = \"f.wasm\"\n");
        let error = project.build().unwrap_err().to_string();
        assert!(error.contains("exit 3") && error.contains("function.toml"), "{error}");
    }

    #[test]
    fn a_folder_without_a_manifest_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let error = Project::open(root.path()).err().unwrap().to_string();
        assert!(error.contains("no function.toml"), "{error}");
    }
}
