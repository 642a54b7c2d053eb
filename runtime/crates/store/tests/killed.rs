//! A server that is killed in the middle of its work loses nothing that it acknowledged.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::TenantName;
use modelet_store::{FileEntry, FileRole, NewModelVersion, Store};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::tempdir;

/// Where the child works; set by the parent only.
const DIR: &str = "MODELET_STORE_TEST_DIR";

fn push(store: &Store, number: u32) -> u32 {
    let tenant = TenantName::default_tenant();
    let digest = store.put_blob(&tenant, &number.to_le_bytes(), u64::MAX).expect("a content");
    let path = "model.onnx".parse().expect("a path");
    let new = NewModelVersion {
        tenant,
        name: "m".parse().expect("a name"),
        digest,
        files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: 4 }],
        card_json: "{}".to_owned(),
        description_json: String::new(),
        label: Some("stable".parse().expect("a label")),
    };
    store.put_model(&new).expect("a push").version.get()
}

#[test]
#[ignore = "the child of the test below: it works until it is killed"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    let newest = store.models(None).unwrap().first().map_or(0, |model| model.version.get());
    let mut out = std::io::stdout();
    for number in newest.. {
        writeln!(out, "acked {}", push(&store, number)).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let mut acked = 0;
    for round in 1..=4_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIR, &data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // libtest writes the test's name before the first line, without a line end.
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("acked ")?.1.parse::<u32>().ok());
        acked = numbers.take(10 * round as usize).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(&data).unwrap();
        let versions = store.model_versions(&TenantName::default_tenant(), &"m".parse().unwrap()).unwrap();
        let newest = versions[0].version.get();
        assert!(newest >= acked, "acknowledged {acked}, found {newest}");
        assert_eq!(versions.len(), newest as usize);
        assert_eq!(versions[0].labels.len(), 1);
        for version in &versions {
            assert_eq!(store.blob(&version.tenant, &version.digest).unwrap().len(), 4);
        }
        // A push is two events, the version and its label: both or none.
        assert_eq!(store.events(0, u32::MAX).unwrap().len(), 2 * newest as usize);
        assert_eq!(std::fs::read_dir(data.join("tmp")).unwrap().count(), 0);
    }
    assert!(acked >= 100, "{acked}");
}
