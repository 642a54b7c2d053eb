//! Any text as a `function.toml`: a manifest that survives the way to the server, or a report that names the file.

use modelet_spec::manifest::Manifest;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Manifest::parse(text, "function.toml") {
        Ok(manifest) => {
            let json = serde_json::to_string(&manifest).expect("it can be sent");
            assert_eq!(serde_json::from_str::<Manifest>(&json).expect("and read"), manifest);
        }
        Err(error) => {
            assert!(!error.faults.is_empty());
            let report = error.to_string();
            assert!(report.lines().all(|line| !line.is_empty()) && report.contains("function.toml"), "{report}");
        }
    }
}
