//! A server that is killed while models come and go: what it acknowledged holds, and nothing is half gone.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the child works; set by the parent only.
const DIR: &str = "MODELET_STORE_TEST_REPOSITORY_DIR";

#[test]
#[ignore = "the child of the test below: it works until it is killed"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    let newest = store.models(None).unwrap().first().map_or(0, |model| model.version.get());
    let mut out = std::io::stdout();
    for number in newest.. {
        let pushed = push(&store, "default", "m", &number.to_le_bytes());
        store.label_model(&pushed.tenant, &pushed.name, &pick("latest"), &"stable".parse().unwrap()).unwrap();
        if pushed.version.get() > 3 {
            let old = pick(&(pushed.version.get() - 3).to_string());
            // Gone already, if the child before was killed between this and its word.
            let _ = store.remove_model(&pushed.tenant, &pushed.name, Some(&old), false);
            store.collect(Duration::ZERO).unwrap();
        }
        writeln!(out, "acked {}", pushed.version).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_server_keeps_every_version_whole_or_gone() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let mut acked = 0;
    for round in 1..=4_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--ignored", "--nocapture"])
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
        let versions = store.model_versions(&tenant("default"), &model("m")).unwrap();
        assert!(versions[0].version.get() >= acked, "acknowledged {acked}, found {}", versions[0].version);
        assert!(versions.iter().all(|version| version.version.get() + 3 > acked), "removed versions stay removed");
        for version in &versions {
            assert_eq!(store.blob(&version.tenant, &version.digest).unwrap().len(), 4);
            assert_eq!(version.files.len(), 1);
        }
        store.collect(Duration::ZERO).unwrap();
        assert_eq!(blobs(&store).0, versions.len(), "nothing stays that no version names");
        assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 4 * versions.len() as u64);
    }
    assert!(acked >= 100, "{acked}");
}
