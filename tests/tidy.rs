//! The repository's own rules, read from its files: arrows between crates, who may know what, where `unsafe` is, and that what
//! documents name is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests do"
)]

use modelet_tests::places::repository;
use modelet_tests::sources::{every_source, functions_of, markdown, names, ours, paths_in, read, sources, texts};
use std::collections::BTreeSet;

/// What each crate may depend on of this workspace. `spec` holds the words: whoever speaks them depends on it, since no
/// crate re-exports another's.
const ARROWS: [(&str, &[&str]); 7] = [
    ("spec", &[]),
    ("catalog", &["spec"]),
    ("store", &["spec"]),
    ("inference", &["spec"]),
    ("engine", &["spec", "inference"]),
    ("gateway", &["spec", "catalog", "inference", "engine"]),
    ("control", &["spec", "catalog", "inference", "engine", "store"]),
];

/// The files that may be unsafe; a folder's `mod.rs` speaks for its children.
const UNSAFE: [&str; 15] = [
    "runtime/src/backtraces.rs",
    "runtime/src/descriptors.rs",
    // A signal handler.
    "runtime/src/divisions.rs",
    "runtime/crates/engine/src/code.rs",
    "runtime/crates/inference/src/onnx/ffi/mapping.rs",
    "runtime/crates/inference/src/onnx/ffi/mod.rs",
    "runtime/crates/inference/src/onnx/ffi/exit.rs",
    // Values in a device's memory and the life of a binding, which `ort`'s own types tie to theirs.
    "runtime/crates/inference/src/onnx/ffi/binding.rs",
    // Which operators a provider took, and one arena per device: `ort` offers neither.
    "runtime/crates/inference/src/onnx/ffi/provider.rs",
    "runtime/crates/inference/src/onnx/ffi/session.rs",
    // An allocator that ONNX Runtime calls, and its free blocks.
    "runtime/crates/inference/src/onnx/ffi/blocks.rs",
    "runtime/crates/inference/src/onnx/ffi/thread_cache.rs",
    "runtime/crates/inference/src/onnx/ffi/value.rs",
    // Guests that lie: they make a string that is none, and handles that they do not have.
    "tests/guests/forged_handle.rs",
    "tests/guests/nn_bad_utf8.rs",
];

const TOP_LEVEL: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "rust-toolchain.toml",
    "runtime",
    "guest-sdk",
    "wit",
    "functions",
    "tests",
    "examples",
];

const LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn crates_depend_on_each_other_along_the_arrows_only() {
    let crates = repository().join("runtime/crates");
    let known: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let there: BTreeSet<String> = names(&crates).into_iter().collect();
    assert_eq!(there, known, "a crate has no arrows, or an arrow no crate");
    for (name, allowed) in ARROWS {
        for used in ours(&crates.join(name).join("Cargo.toml")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
    for (package, allowed) in [
        ("tests", [].as_slice()),
        ("guest-sdk/rust", &[]),
        ("runtime/xtask", &[]),
        ("tests/guests", &["sdk"]),
        ("tests/fuzz", &["catalog", "engine", "gateway", "inference", "spec"]),
        ("functions/file-type", &["sdk"]),
        ("functions/digits", &["sdk"]),
    ] {
        for used in ours(&repository().join(package).join("Cargo.toml")) {
            assert!(allowed.contains(&used.as_str()), "{package} must not depend on {used}");
        }
    }
}

#[test]
fn the_engine_has_never_heard_of_a_server() {
    for source in sources("runtime/crates/engine/src") {
        for word in ["hyper::server", "hyper_util::server", "TcpListener", "StatusCode", "rusqlite"] {
            source.lacks(word);
        }
    }
}

#[test]
fn inference_has_never_heard_of_wasm_tenants_or_http() {
    for source in sources("runtime/crates/inference/src") {
        for word in ["wasmtime", "TenantName", "FunctionName", "http::"] {
            source.lacks(word);
        }
    }
}

#[test]
fn the_gateway_touches_no_disk() {
    for source in sources("runtime/crates/gateway/src") {
        for word in ["std::fs", "tokio::fs", "File::", "OpenOptions"] {
            source.lacks(word);
        }
    }
}

#[test]
fn spec_and_catalog_do_no_input_or_output() {
    for source in sources("runtime/crates/spec/src").into_iter().chain(sources("runtime/crates/catalog/src")) {
        for word in ["std::fs", "TcpStream", "TcpListener", "UdpSocket", "tokio::", "std::process", "SystemTime"] {
            source.lacks(word);
        }
    }
}

#[test]
fn only_the_binary_reads_the_environment() {
    for source in sources("runtime/crates") {
        for word in ["env::var", "env::vars", "env::temp_dir", "env::home_dir", "env::current_exe", "env::args"] {
            source.lacks(word);
        }
    }
}

#[test]
fn only_the_process_that_is_started_for_it_compiles() {
    for source in
        ["runtime/crates/control/src", "runtime/crates/gateway/src", "runtime/src"].into_iter().flat_map(sources)
    {
        for word in ["engine.compile(", "Compiler::new", "precompile_component"] {
            if !source.path.ends_with("compile/process.rs") {
                source.lacks(word);
            }
        }
    }
}

#[test]
fn only_respond_files_choose_status_codes() {
    let choosing: BTreeSet<String> = sources("runtime")
        .into_iter()
        .filter(|source| source.lines().any(|line| line.contains("StatusCode::") || line.contains("http::status")))
        .map(|source| source.path)
        .collect();
    let expected = ["runtime/crates/control/src/api/respond.rs", "runtime/crates/gateway/src/respond.rs"];
    assert_eq!(choosing, expected.map(str::to_owned).into());
}

#[test]
fn unsafe_is_in_named_files_only_and_each_block_says_why_it_is_sound() {
    let mut seen = BTreeSet::new();
    for source in every_source().into_iter().filter(|source| source.path != file!()) {
        let lines: Vec<&str> = source.code.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe =
                ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"].iter().any(|word| code.contains(word));
            let is_type = ["type ", "extern \"C\" fn(", "extern \"system\" fn("].iter().any(|word| code.contains(word));
            if !is_unsafe || is_type {
                continue;
            }
            seen.insert(source.path.clone());
            let near = &lines[number.saturating_sub(8)..=number];
            let noted = near.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
            assert!(noted, "{}:{}: no SAFETY note in the lines before: {line}", source.path, number + 1);
        }
    }
    assert_eq!(seen, UNSAFE.map(str::to_owned).into(), "the files that are unsafe, and those named here");
}

#[test]
fn every_path_that_documents_name_is_there() {
    let mut named = 0;
    for document in markdown() {
        let text = read(&document);
        let folder = document.parent().unwrap();
        for path in paths_in(&text) {
            named += 1;
            let found = repository().join(&path).exists() || folder.join(&path).exists();
            let written = document.strip_prefix(repository()).unwrap().display();
            assert!(found, "{written} names {path}, which is not there");
        }
    }
    assert!(named > 20, "only {named} paths were found: does the search still work?");
}

#[test]
fn every_guest_has_a_test_and_a_line_in_the_manifest() {
    let folder = repository().join("tests/guests");
    let manifest: toml::Table = read(&folder.join("Cargo.toml")).parse().unwrap();
    let listed: BTreeSet<String> = manifest["example"]
        .as_array()
        .unwrap()
        .iter()
        .map(|guest| guest["name"].as_str().unwrap().to_owned())
        .collect();
    let library = read(&folder.join("lib.rs"));
    let is_guest = |name: &String| name != "lib" && !library.contains(&format!("pub mod {name};"));
    let files: BTreeSet<String> =
        names(&folder).iter().filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).filter(is_guest).collect();
    assert_eq!(files, listed, "the files, and the lines of the manifest");
    let tests: String = sources("tests/e2e").into_iter().map(|source| source.code).collect();
    for guest in &listed {
        assert!(tests.contains(&format!("\"{guest}\"")), "no test in tests/e2e names the guest {guest}");
    }
}

#[test]
fn every_model_has_a_use() {
    let tests: String = every_source().into_iter().map(|source| source.code).collect();
    for name in names(&repository().join("tests/models")) {
        let Some(model) = name.strip_suffix(".onnx") else { continue };
        // These come in families, one for each element type.
        let family = ["identity_", "cast_"].into_iter().find(|stem| model.starts_with(stem)).unwrap_or(model);
        let used = tests.contains(family);
        assert!(used, "no test names tests/models/{name}");
    }
}

#[test]
fn files_and_functions_are_short() {
    let (mut functions, mut long) = (0, Vec::new());
    for source in every_source() {
        let lines = source.code.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", source.path);
        for (name, lines) in functions_of(&source.code) {
            functions += 1;
            if lines > FUNCTION_LINES_MAX {
                long.push(format!("{}: {name} has {lines}", source.path));
            }
        }
    }
    assert!(functions > 500, "only {functions} functions were found: does the search still work?");
    assert!(long.len() * 50 <= functions, "over 2 % of the functions have more than 70 lines: {long:#?}");
}

#[test]
fn debt_has_a_kind() {
    let word = ["TO", "DO"].concat();
    for source in every_source() {
        for (number, line) in source.code.lines().enumerate() {
            let Some((_, rest)) = line.split_once(&word) else { continue };
            let kinds = ["-hardening: ", "-perf: ", "-cleanup: "];
            let has_kind = kinds.iter().any(|kind| rest.starts_with(kind));
            // A document or a test may speak of the word itself, in quotes.
            let is_spoken_of = line.contains(&format!("`{word}")) || line.contains(&format!("\"{word}"));
            assert!(has_kind || is_spoken_of, "{}:{}: {line}", source.path, number + 1);
        }
    }
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/."].concat(), ["/home/", "runner"].concat()];
    for file in texts() {
        let text = read(&file);
        for place in &places {
            let at = text.lines().position(|line| line.contains(place.as_str()));
            assert!(at.is_none(), "{}:{} names {place}", file.display(), at.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn the_top_level_is_as_the_readme_says() {
    let made = ["target", ".git", ".modelet"];
    for name in names(&repository()) {
        let known = TOP_LEVEL.contains(&name.as_str()) || name.starts_with('.') || made.contains(&name.as_str());
        assert!(known, "{name} does not belong to the top level");
    }
    for crate_name in names(&repository().join("runtime/crates")) {
        assert!(
            !["common", "utils", "util", "types", "core", "shared"].contains(&crate_name.as_str()),
            "{crate_name} says nothing"
        );
    }
}

#[test]
fn every_crate_says_first_what_it_is_and_has_its_own_errors() {
    for (name, _) in ARROWS {
        let folder = repository().join("runtime/crates").join(name).join("src");
        let head = read(&folder.join("lib.rs")).lines().take_while(|line| line.starts_with("//!")).count();
        assert!(
            (3..=30).contains(&head),
            "{name}/src/lib.rs begins with {head} lines of what it is; about ten are wanted"
        );
        assert!(folder.join("error.rs").exists(), "{name} has no error.rs");
    }
}

#[test]
fn readme_has_exactly_two_commands_for_a_fresh_machine() {
    let readme = read(&repository().join("README.md"));
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with("Two commands"))
        .expect("README has `## Two commands`");
    let block = section.split("```").nth(1).unwrap();
    let commands: Vec<&str> = block.lines().filter(|line| line.starts_with("cargo ")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[0].starts_with("cargo xtask demo") && commands[1].starts_with("cargo xtask test"), "{commands:?}");
}
