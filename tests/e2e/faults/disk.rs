//! A disk without room, and one that may not be written to.

use super::{assert_serves, digits, furnish, listed, pair};
use modelet_tests::cli::refused_start;
use modelet_tests::{Function, TestHost, disk, places};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const DISK_BYTES: u64 = 96 << 20;

/// Every kind of change, each with what it is told when it cannot be written.
fn refuse_all(host: &TestHost, told: &str) {
    let model = places::model("identity_f32").display().to_string();
    let secret = host.scratch().join("token.txt");
    fs::write(&secret, "a token").unwrap();
    let secret = secret.display().to_string();
    let changes: [&[&str]; 10] = [
        &["secret", "set", "token", "--file", &secret],
        &["model", "push", &model, "--name", "other"],
        &["model", "label", "digits@1", "fast"],
        &["model", "remove", "digits", "--force"],
        &["rollback", "hello", "--to", "1"],
        &["function", "scale", "hello", "--min", "1"],
        &["function", "remove", "pairs"],
        &["tenant", "create", "acme"],
        &["key", "create", "--scope", "read"],
        &["key", "rotate", "admin"],
    ];
    for change in changes {
        let line = host.modelet(change).refused();
        assert!(line.contains(told), "{change:?}: {line}");
    }
    let line = host.try_deploy(&Function::guest("echo")).refused();
    assert!(line.contains(told), "deploy: {line}");
}

/// The same changes, done.
fn change_all(host: &TestHost) {
    host.deploy(&Function::guest("echo"));
    assert_eq!(host.post("/echo", b"again").ok().text(), "again");
    let model = places::model("identity_f32").display().to_string();
    host.modelet(["model", "push", &model, "--name", "other"]).done();
    host.modelet(["model", "label", "digits@1", "fast"]).done();
    host.modelet(["rollback", "hello", "--to", "1"]).done();
    host.modelet(["tenant", "create", "acme"]).done();
    host.modelet(["key", "create", "--scope", "read"]).done();
    host.modelet(["key", "rotate", "admin"]).done();
    assert!(pair(host, "do=set&key=new&value=after")["error"].is_null());
    assert_serves(host);
}

fn nothing_is_left_aside(host: &TestHost) {
    let left: Vec<_> = fs::read_dir(host.data_dir().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What a restart finds is what was there, and all of it is whole.
fn survives(mut host: TestHost) {
    let before = listed(&host);
    host.kill_and_restart();
    assert_eq!(listed(&host), before);
    assert_serves(&host);
    host.halt();
    let whole = host.modelet(["doctor", "--verify"]);
    assert!(whole.stdout.contains("all whole"), "{whole:?}");
}

#[test]
fn a_full_disk_refuses_changes_and_nothing_else_and_all_goes_on_once_there_is_room() {
    let test = "faults::disk::a_full_disk_refuses_changes_and_nothing_else_and_all_goes_on_once_there_is_room";
    disk::small(test, DISK_BYTES, |folder| {
        let host = TestHost::in_folder(folder, "");
        furnish(&host);
        let before = listed(&host);
        let ballast = disk::fill(&host.data_dir());
        refuse_all(&host, "the server's disk is full");
        let kept = pair(&host, "do=set&key=kept&value=after");
        assert!(kept["error"].is_string(), "{kept}");
        // An upload for which there is room at first.
        ballast.free(1 << 20);
        let large = host.scratch().join("large.onnx");
        fs::write(&large, vec![7; 8 << 20]).unwrap();
        let line = host.modelet(["model", "push", &large.display().to_string(), "--name", "large"]).refused();
        assert!(line.contains("the server's disk is full"), "{line}");
        assert_eq!(listed(&host), before);
        assert_serves(&host);
        nothing_is_left_aside(&host);
        drop(ballast);
        change_all(&host);
        survives(host);
    });
}

#[test]
fn a_server_starts_or_says_why_on_a_full_disk_and_loses_nothing() {
    let test = "faults::disk::a_server_starts_or_says_why_on_a_full_disk_and_loses_nothing";
    disk::small(test, DISK_BYTES, |folder| {
        let mut host = TestHost::in_folder(folder, "");
        furnish(&host);
        let before = listed(&host);
        host.halt();
        let ballast = disk::fill(&host.data_dir());
        let line = refused_start(&host.data_dir());
        assert!(line.contains("modelet.db cannot be opened, because its disk is full: free some space"), "{line}");
        drop(ballast);
        host.start_again();
        assert_eq!(listed(&host), before);
        survives(host);
    });
}

#[test]
fn a_data_directory_that_may_not_be_written_to_refuses_changes_and_what_runs_goes_on() {
    let test = "faults::disk::a_data_directory_that_may_not_be_written_to_refuses_changes_and_what_runs_goes_on";
    disk::as_a_user(test, |folder| {
        let mut host = TestHost::in_folder(folder, "");
        furnish(&host);
        let before = listed(&host);
        let data = host.data_dir();
        let folders = folders(&data);
        set_mode(&folders, 0o500);
        // What lies in the databases alone is written to files that are open.
        let told = "the server cannot write to its data directory";
        let model = places::model("identity_f32").display().to_string();
        for change in [&["model", "push", &model, "--name", "other"][..], &["key", "rotate", "admin"]] {
            let line = host.modelet(change).refused();
            assert!(line.contains(told), "{change:?}: {line}");
        }
        let line = host.try_deploy(&Function::guest("echo")).refused();
        assert!(line.contains(told), "deploy: {line}");
        assert_eq!(listed(&host), before);
        assert_serves(&host);
        assert_eq!(digits(&host).unwrap(), 2);
        set_mode(&folders, 0o700);
        nothing_is_left_aside(&host);
        change_all(&host);
        let before = listed(&host);
        host.halt();
        set_mode(&folders, 0o500);
        let line = refused_start(&data);
        assert!(line.contains("modelet.db cannot be opened: make it and its folder writable for this user"), "{line}");
        set_mode(&folders, 0o700);
        host.start_again();
        assert_eq!(listed(&host), before);
        survives(host);
    });
}

/// A folder and all below it.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    std::iter::once(folder.to_owned()).chain(below.flat_map(|path| folders(&path))).collect()
}

fn set_mode(folders: &[PathBuf], mode: u32) {
    for folder in folders {
        fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    }
}
