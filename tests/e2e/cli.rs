//! The command line: exit statuses, listings, and what it says when something is wrong.

use modelet_tests::cli::{modelet, ran, run_in};
use modelet_tests::{Function, TestHost, places, shared};
use std::fs;
use std::path::Path;

#[test]
fn wrong_usage_is_2() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 5] = [
        &[],
        &["serv"],
        &["deploy", "--rout", "/x"],
        &["model", "push"],
        &["model", "push", "x.onnx", "--name", "Bad Name"],
    ];
    for arguments in wrong {
        let ran = run_in(folder.path(), arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn help_and_version_are_0() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "check", "doctor", "build", "inspect", "deploy", "invoke", "function", "model", "tenant"] {
        let help = run_in(folder.path(), [command, "--help"]).done();
        assert!(help.contains("Usage: modelet"), "{help}");
    }
    assert!(run_in(folder.path(), ["--version"]).done().starts_with("modelet "));
}

#[test]
fn without_a_server_the_command_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["function", "list"], ["model", "list"], ["tenant", "list"], ["invoke", "/x"]] {
        let line = run_in(folder.path(), arguments).refused();
        assert!(line.contains("modelet serve"), "{line}");
    }
    let line = run_in(folder.path(), ["function", "list", "--url", "http://127.0.0.1:1"]).refused();
    assert!(line.contains("127.0.0.1:1"), "{line}");
}

#[test]
fn listings_in_json_are_json_and_nothing_else() {
    let host = shared();
    host.once(&Function::guest("nn").named("listed").model_file("listed", &places::model("digits")));
    let functions = host.modelet(["function", "list", "--json"]).json();
    let listed =
        functions["functions"].as_array().unwrap().iter().find(|function| function["name"] == "listed").unwrap();
    assert_eq!(
        (&listed["version"], &listed["serving"], &listed["routes"][0]["path"]),
        (&1.into(), &true.into(), &"/listed".into())
    );
    assert_eq!(&host.modelet(["function", "show", "listed", "--json"]).json()["digest"], &listed["digest"]);
    let models = host.modelet(["model", "list", "--json"]).json();
    let model = models["models"].as_array().unwrap().iter().find(|model| model["name"] == "listed").unwrap();
    assert_eq!(model["description"]["inputs"][0]["name"], "X", "{model}");
    let shown = host.modelet(["model", "show", "listed", "--json"]).json();
    assert_eq!(shown["versions"][0]["digest"], model["digest"]);
}

#[test]
fn listings_for_people_have_a_head_and_a_line_for_each() {
    let host = shared();
    let _ = host.guest("hello");
    let table = host.modelet(["function", "list"]).done();
    assert!(table.lines().any(|line| line.contains("hello")), "{table}");
    assert!(host.modelet(["function", "show", "hello"]).done().contains("/hello"));
    let line = host.modelet(["function", "show", "nobody"]).refused();
    assert!(line.contains("nobody") && line.contains("modelet function list"), "{line}");
    let line = host.modelet(["model", "show", "nobody"]).refused();
    assert!(line.contains("nobody") && line.contains("modelet model"), "{line}");
}

#[test]
fn a_listing_without_entries_says_so_and_a_refusal_what_to_do() {
    let host = TestHost::start();
    for (listing, said) in [
        (&["function", "list"][..], "no functions yet: deploy one"),
        (&["function", "list", "--at", "1h"], "there were no functions 1h ago"),
        (&["model", "list"], "no models yet: push one"),
        (&["model", "list", "--at", "1h"], "there were no models 1h ago"),
        (&["secret", "list"], "no secrets yet: set one"),
        (&["audit", "--kind", "banana"], "no such changes"),
        (&["usage"], "nothing was used since"),
    ] {
        let text = host.modelet(listing).done();
        assert!(text.starts_with(said) && text.lines().count() == 1, "{listing:?}: {text}");
    }
    let nowhere = host.scratch().join("nowhere/all.tar").display().to_string();
    for (command, said) in [
        (&["tenant", "show", "banana"][..], "`modelet tenant list` lists them"),
        (&["tenant", "create", "default"], "`modelet tenant claims`"),
        (&["export", &nowhere], "is no folder: make it first"),
    ] {
        let line = host.modelet(command).refused();
        assert!(line.contains(said), "{command:?}: {line}");
    }
    host.deploy(&Function::guest("hello"));
    assert_eq!(host.modelet(["function", "remove", "hello"]).done(), "hello is removed, with 1 version\n");
    assert_eq!(host.modelet(["key", "create", "--scope", "all"]).status, Some(2));
    assert!(host.modelet(["key", "list"]).done().ends_with("  now\n"), "the key that asks is in use");
    host.stop();
}

#[test]
fn invoke_sends_a_body_a_file_and_headers() {
    let host = shared();
    let echo = host.guest("echo");
    assert_eq!(host.modelet(["invoke", &echo, "-d", "hello"]).done(), "hello");
    let file = host.scratch().join("body.bin");
    fs::write(&file, "from a file").unwrap();
    assert_eq!(host.modelet(["invoke", &echo, "-d", &format!("@{}", file.display())]).done(), "from a file");
    let seen = host.modelet(["invoke", &host.guest("headers"), "-H", "x-mine: 7"]).done();
    assert!(seen.contains("x-mine") && seen.contains("\"GET\""), "{seen}");
    let ran = host.modelet(["invoke", "/nobody"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("404") || ran.stderr.contains("not-found"), "{ran:?}");
}

#[test]
fn check_lists_every_fault_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = \"nowhere\"\nthreads = 0\nlisen = \"127.0.0.1:1\"\n[limits]\nmemory = \"much\"\n[servr]\nx = 1\n";
    fs::write(folder.path().join("modelet.toml"), config).unwrap();
    let checked = run_in(folder.path(), ["check"]);
    assert_eq!(checked.status, Some(1), "{checked:?}");
    let said = format!("{}{}", checked.stdout, checked.stderr);
    for line in ["modelet.toml:2", "modelet.toml:3", "modelet.toml:4", "modelet.toml:6", "modelet.toml:7"] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert!(said.contains("listen") && said.contains("server"), "the keys that were meant: {said}");
    let served = run_in(folder.path(), ["serve"]);
    assert_eq!(served.status, Some(1), "no server starts on it: {served:?}");
    assert!(served.stderr.contains("modelet.toml:6"), "{served:?}");
    assert!(!folder.path().join(".modelet").exists(), "and nothing was made");
}

#[test]
fn check_knows_the_environment_too() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run_in(folder.path(), ["check"]).status, Some(0));
    let wrong = ran(modelet().arg("check").current_dir(folder.path()).env("MODELET_LIMITS_MEMORY", "much"));
    assert_eq!(wrong.status, Some(1), "{wrong:?}");
    assert!(format!("{}{}", wrong.stdout, wrong.stderr).contains("MODELET_LIMITS_MEMORY"), "{wrong:?}");
    let missing = run_in(folder.path(), ["check", "--config", "nothing.toml"]);
    assert_eq!(missing.status, Some(1), "{missing:?}");
}

#[test]
fn doctor_finds_what_setup_laid() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), ["doctor", "--json"]);
    let report: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let text = report.to_string();
    assert!(text.contains("1.31.1"), "the ONNX Runtime that setup laid: {text}");
    assert!(run_in(folder.path(), ["doctor"]).stdout.contains("ONNX Runtime"));
}

#[test]
fn doctor_reads_a_data_directory_and_names_what_is_damaged() {
    let (folder, mut host) = (tempfile::tempdir().unwrap(), TestHost::start());
    host.deploy(&Function::guest("hello"));
    let data = host.data_dir().to_owned();
    let doctor = || ran(modelet().args(["doctor", "--verify", "--data-dir"]).arg(&data).current_dir(folder.path()));
    let held = doctor();
    assert!(held.status == Some(1) && held.stdout.contains("in use by"), "a server works there: {held:?}");
    host.halt();
    let whole = doctor();
    assert!(whole.status == Some(0) && whole.stdout.contains("all whole"), "{whole:?}");
    let inside = |folder: &Path| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let blob = inside(&inside(&data.join("blobs")));
    fs::write(&blob, "no component").unwrap();
    let damaged = doctor();
    assert!(damaged.status == Some(1) && damaged.stdout.contains("is damaged"), "{damaged:?}");
    assert!(damaged.stdout.contains(&blob.display().to_string()), "{damaged:?}");
}

#[test]
fn inspect_shows_what_a_component_and_a_model_are_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let inspect =
        |file: std::path::PathBuf| run_in(folder.path(), ["inspect", &file.display().to_string(), "--json"]).json();
    let nn = inspect(places::guest("nn")).to_string();
    assert!(nn.contains("wasi:nn/") && nn.contains("wasi:http/"), "{nn}");
    let digits = inspect(places::model("digits")).to_string();
    assert!(digits.contains("probabilities") && digits.contains("\"X\""), "{digits}");
    let secret = run_in(folder.path(), ["inspect", &places::guest("secret").display().to_string()]);
    assert!(format!("{}{}", secret.stdout, secret.stderr).contains("modelet:test/secret@1.0.0"), "{secret:?}");
    let nothing = run_in(folder.path(), ["inspect", "nothing.wasm"]).refused();
    assert!(nothing.contains("nothing.wasm"), "{nothing}");
}
