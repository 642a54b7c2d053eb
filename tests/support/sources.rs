//! The repository's own files as the tests of its rules read them.

use crate::places::repository;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file: its path from the repository, and its text without the tests at its end.
#[derive(Debug)]
pub struct Source {
    /// From the repository.
    pub path: String,
    /// The text.
    pub code: String,
}

impl Source {
    /// The lines that are no comments.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.code.lines().filter(|line| !line.trim_start().starts_with("//"))
    }

    /// Checks that no line of code has `word`.
    ///
    /// # Panics
    /// When one has.
    #[track_caller]
    pub fn lacks(&self, word: &str) {
        let line = self.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "{} must not know {word}: {}", self.path, line.unwrap_or_default().trim());
    }
}

/// The files of `folder` that are part of a build: neither `tests/` nor modules for tests only, nor their tests at the end.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn sources(folder: &str) -> Vec<Source> {
    let root = repository();
    let mut sources = Vec::new();
    let mut for_tests = BTreeSet::new();
    for path in files(&root.join(folder)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let text = read(&path);
        for (attribute, item) in text.lines().zip(text.lines().skip(1)) {
            let name =
                item.trim_start_matches("pub(crate) ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
            if attribute == "#[cfg(test)]"
                && let Some(name) = name
            {
                let stem = path.with_extension("");
                let inside = if matches!(stem.file_name().unwrap().to_str(), Some("lib" | "main" | "mod")) {
                    path.parent().unwrap()
                } else {
                    &stem
                };
                for_tests.insert(inside.join(format!("{name}.rs")));
            }
        }
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        sources.push((path, code));
    }
    let inner = |path: &Path| {
        path.strip_prefix(root.join(folder))
            .unwrap()
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
    };
    sources
        .into_iter()
        .filter(|(path, _)| !for_tests.contains(path) && !inner(path))
        .map(|(path, code)| Source { path: path.strip_prefix(&root).unwrap().display().to_string(), code })
        .collect()
}

/// Every Rust file, whole.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn every_source() -> Vec<Source> {
    let root = repository();
    let rust = files(&root).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| Source { path: path.strip_prefix(&root).unwrap().display().to_string(), code: read(&path) })
        .collect()
}

/// Every file that is text.
#[must_use]
pub fn texts() -> Vec<PathBuf> {
    let kinds = ["rs", "toml", "md", "py", "sh", "txt", "wit", "json", "lock", ""];
    let has_kind = |path: &PathBuf| kinds.contains(&path.extension().unwrap_or_default().to_str().unwrap_or("?"));
    files(&repository()).into_iter().filter(has_kind).filter(|path| fs::read_to_string(path).is_ok()).collect()
}

/// Every document of our own.
#[must_use]
pub fn markdown() -> Vec<PathBuf> {
    let root = repository();
    let ours = |path: &PathBuf| !path.starts_with(root.join("wit")) && path.extension().is_some_and(|e| e == "md");
    files(&root).into_iter().filter(ours).collect()
}

/// All files below a folder, without what builds and setups make.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(&name);
        let made = ["target", ".git", ".modelet", "__pycache__", "node_modules"].contains(&name.as_str())
            || (name == "models" && folder.parent().is_some_and(|parent| parent.ends_with("functions")));
        if made {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What is in a folder, sorted.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The workspace's own packages that a manifest depends on, for whatever purpose, without `modelet-`.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn ours(manifest: &Path) -> Vec<String> {
    let table: toml::Table = read(manifest).parse().unwrap();
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds.iter().filter_map(|kind| table.get(*kind)?.as_table());
    tables.flat_map(|table| table.keys()).filter_map(|name| Some(name.strip_prefix("modelet-")?.to_owned())).collect()
}

/// What stands in backquotes and looks like a path of this repository.
#[must_use]
pub fn paths_in(text: &str) -> Vec<String> {
    let roots = ["runtime/", "guest-sdk/", "wit/", "functions/", "tests/", "examples/", "docs/", ".ci/"];
    let mut fenced = false;
    let mut paths = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2);
        let is_path = |word: &&str| {
            let plain = !word.contains([' ', '*', '{', '<', '…', '$', '='])
                && !word.contains("NAME")
                && !word.ends_with("models/");
            roots.iter().any(|root| word.starts_with(root)) && plain && !word.contains("/models/")
        };
        paths.extend(quoted.filter(is_path).map(|word| word.split(':').next().unwrap_or(word).to_owned()));
    }
    paths
}

/// Names and lengths of the functions of formatted code: a function ends where a brace closes at its own indentation.
#[must_use]
pub fn functions_of(code: &str) -> BTreeMap<String, usize> {
    let lines: Vec<&str> = code.lines().collect();
    let mut functions = BTreeMap::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let head = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe ", "extern \"C\" "];
        let mut rest = trimmed;
        while let Some(after) = head.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = after;
        }
        let Some(name) = rest.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        let indent = &line[..line.len() - trimmed.len()];
        let end = lines[start..].iter().position(|line| *line == format!("{indent}}}"));
        if !trimmed.ends_with(';')
            && !trimmed.ends_with('}')
            && let Some(end) = end
        {
            functions.insert(format!("{name}:{}", start + 1), end + 1);
        }
    }
    functions
}

/// A text file.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
