//! Where this process looks for ONNX Runtime: the configuration, beside the binary, the user's cache folder.

use std::path::{Path, PathBuf};

use modelet_inference::library::{LibrarySource, user_cache};

/// The places to look at. A configured path is the only one then; it may come from MODELET_INFERENCE_LIBRARY.
pub(crate) fn source(configured: Option<&Path>) -> LibrarySource {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let exe = std::env::current_exe().ok();
    LibrarySource {
        configured: configured.map(Path::to_owned),
        environment: None,
        exe_dir: exe.and_then(|exe| exe.parent().map(Path::to_owned)),
        cache_dir: user_cache(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref()),
    }
}
