//! `functions/file-type` against the Python package whose model it runs.

use modelet_tests::magika::{self, Verdict};
use modelet_tests::{TestHost, files, places};
use std::fs;

#[test]
fn file_type_says_of_real_files_what_the_python_package_says() {
    let host = TestHost::start();
    let _ = places::function_component("file-type");
    host.modelet(["deploy", &places::repository().join("functions/file-type").display().to_string()]).done();
    let files = files::gather(&host.scratch().join("files"));
    let expected = magika::identify(&files);
    assert_eq!(expected.len(), files.len());

    let mut differences = Vec::new();
    for (file, expected) in files.iter().zip(&expected) {
        let answer = host.post("/file-type", &fs::read(file).unwrap()).ok();
        let got: Verdict = serde_json::from_slice(&answer.body).unwrap();
        let same = (&got.label, &got.mime, &got.group, &got.description)
            == (&expected.label, &expected.mime, &expected.group, &expected.description);
        if !same || (got.score - expected.score).abs() > 1e-3 {
            differences.push(format!("{}: {got:?} instead of {expected:?}", file.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let kinds = files::distinct(expected.iter().map(|verdict| verdict.label.as_str()));
    assert!(files.len() >= 40 && kinds >= 20, "{} files of {kinds} kinds are too few to say anything", files.len());
    host.stop();
}
