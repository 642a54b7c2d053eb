//! A server that is killed in the middle of its work: what it acknowledged holds, and nothing is half there or half gone.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the child works; set by the parent only.
const DIR: &str = "MODELET_STORE_TEST_DIR";
/// Set if it also removes what is old.
const REMOVES: &str = "MODELET_STORE_TEST_REMOVES";

/// A push is two events, the version and its label.
fn push_labelled(store: &Store, number: u32) -> ModelVersion {
    let file = sent(store, "default", "model.onnx", FileRole::Model, &number.to_le_bytes());
    let label = Some("stable".parse().unwrap());
    store.by(&Actor::Server).put_model(&NewModelVersion { label, ..new("default", "m", vec![file]) }).unwrap()
}

#[test]
#[ignore = "the child of the tests below: it works until it is killed"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    let newest = store.models(None).unwrap().first().map_or(0, |model| model.version.get());
    let mut out = std::io::stdout();
    for number in newest.. {
        let pushed = push_labelled(&store, number);
        if std::env::var_os(REMOVES).is_some() && pushed.version.get() > 3 {
            let old = pick(&(pushed.version.get() - 3).to_string());
            // Gone already, if the child before was killed between this and its word.
            let _ = store.by(&Actor::Server).remove_model(&pushed.tenant, &pushed.name, Some(&old), false);
            store.collect(Duration::ZERO, Duration::ZERO).unwrap();
        }
        writeln!(out, "acked {}", pushed.version).unwrap();
        out.flush().unwrap();
    }
}

/// Kills the child four times at its work; `check` looks at what it left behind each time, the newest version first, and
/// at the version that it acknowledged last.
fn kill_often(removes: bool, check: impl Fn(&Store, &[ModelVersion], u32)) {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let mut acked = 0;
    for round in 1..=4_u32 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killed::child", "--ignored", "--nocapture"]).env(DIR, &data);
        if removes {
            command.env(REMOVES, "yes");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // libtest writes the test's name before the first line, without a line end.
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("acked ")?.1.parse::<u32>().ok());
        acked = numbers.take(10 * round as usize).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(&data).unwrap();
        let versions = store.model_versions(&tenant("default"), &model("m")).unwrap();
        let newest = versions.first().unwrap();
        assert!(newest.version.get() >= acked, "acknowledged {acked}, found {}", newest.version);
        assert_eq!(newest.labels.len(), 1);
        for version in &versions {
            assert_eq!(store.blob(&version.tenant, &version.digest).unwrap().len(), 4);
            assert_eq!(version.files.len(), 1);
        }
        assert_eq!(std::fs::read_dir(data.join("tmp")).unwrap().count(), 0);
        check(&store, &versions, acked);
    }
    assert!(acked >= 100, "{acked}");
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged() {
    kill_often(false, |store, versions, _| {
        let newest = versions[0].version.get() as usize;
        assert_eq!(versions.len(), newest);
        assert_eq!(store.events(0, u32::MAX).unwrap().len(), 2 * newest, "both events of a push, or none");
    });
}

#[test]
fn a_killed_server_keeps_every_version_whole_or_gone() {
    kill_often(true, |store, versions, acked| {
        assert!(versions.iter().all(|version| version.version.get() + 3 > acked), "removed versions stay removed");
        store.collect(Duration::ZERO, Duration::ZERO).unwrap();
        assert_eq!(blobs(store).0, versions.len(), "nothing stays that no version names");
        assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 4 * versions.len() as u64);
    });
}
