//! Opening the runtime: what is wrong is one clear message that names the fix. A process of its own, one test,
//! because a process opens ONNX Runtime once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use modelet_inference::{LibrarySource, OpenError, Runtime, RuntimeConfig};

fn refused(config: &RuntimeConfig) -> OpenError {
    match Runtime::open(config) {
        Err(error) => error,
        Ok(_) => panic!("opened"),
    }
}

fn configured(path: &Path) -> RuntimeConfig {
    let library = LibrarySource { configured: Some(path.to_owned()), ..LibrarySource::default() };
    RuntimeConfig { library, ..RuntimeConfig::default() }
}

#[test]
fn a_missing_or_wrong_library_is_one_clear_error_and_a_right_one_opens_once() {
    let nowhere = RuntimeConfig {
        library: LibrarySource { cache_dir: Some(PathBuf::from("/nonexistent")), ..LibrarySource::default() },
        ..RuntimeConfig::default()
    };
    let missing = refused(&nowhere);
    assert!(matches!(missing, OpenError::Library(_)), "{missing:?}");
    assert!(missing.to_string().contains("/nonexistent/modelet/onnxruntime-1.31.1 (not there)"), "{missing}");
    assert!(missing.to_string().contains("cargo xtask setup"), "{missing}");

    let no_library = refused(&configured(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")));
    assert!(matches!(no_library, OpenError::Unusable { .. }), "{no_library:?}");
    assert!(no_library.to_string().contains("cargo xtask setup"), "{no_library}");

    // A library, and no ONNX Runtime.
    let folder = library_folder();
    let other = refused(&configured(&folder.join("libonnxruntime_providers_shared.so")));
    assert!(other.to_string().contains("does not export `OrtGetApiBase`"), "{other}");

    let tiny = refused(&RuntimeConfig { arena_max_bytes: 1 << 20, ..RuntimeConfig::default() });
    assert!(tiny.to_string().contains("at least 16 MiB"), "{tiny}");

    let right = RuntimeConfig { library: support::library(), ..RuntimeConfig::default() };
    let runtime = support::open(&right);
    support::load(&runtime, "digits.onnx");
    support::load(&support::open(&right), "digits.onnx");
    let changed = RuntimeConfig { queue_max: 1, ..right };
    assert!(matches!(refused(&changed), OpenError::AlreadyOpen));
}

fn library_folder() -> PathBuf {
    support::library().find().unwrap().parent().unwrap().to_owned()
}
