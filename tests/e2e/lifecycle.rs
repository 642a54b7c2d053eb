//! Starting, stopping, being killed, and the data directory.

use modelet_tests::cli::{modelet, ran};
use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, nn, places, process, shared, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A server with a function, a model of its own and a pushed one; and what is there afterwards.
fn furnished() -> TestHost {
    let host = TestHost::start();
    let digits = places::model("digits").display().to_string();
    host.modelet(["model", "push", &digits, "--name", "digits", "--label", "stable"]).done();
    host.deploy(&Function::guest("hello"));
    host.deploy(&Function::guest("hello").with("[limits]\ntime = \"3s\"\n"));
    host.deploy(&Function::guest("nn").model("identity_f32").model_ref("digits", "digits@stable"));
    assert_furnished(&host);
    host
}

fn assert_furnished(host: &TestHost) {
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    let picture = vec![nn::part("X", modelet_tests::frame::Kind::Fp32, &[1, 64], vec![0; 256])];
    assert_eq!(nn::compute(host, "/nn", "digits", picture).unwrap().len(), 2);
    let functions = host.modelet(["function", "list", "--json"]).json();
    let versions: Vec<_> =
        functions["functions"].as_array().unwrap().iter().map(|f| (f["name"].clone(), f["version"].clone())).collect();
    assert_eq!(versions, [("hello".into(), 2.into()), ("nn".into(), 1.into())]);
    let models = host.modelet(["model", "list", "--json"]).json();
    let names: Vec<_> = models["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!(names, ["digits", "identity-f32"]);
}

#[test]
fn what_was_deployed_is_there_after_a_restart() {
    let mut host = furnished();
    host.restart();
    assert_furnished(&host);
    host.stop();
}

#[test]
fn what_was_deployed_is_there_after_a_kill() {
    let mut host = furnished();
    for _ in 0..2 {
        host.kill_and_restart();
        assert_furnished(&host);
    }
    host.stop();
}

#[test]
fn a_kill_in_the_middle_of_deploys_leaves_whole_versions_only() {
    let mut host = TestHost::start();
    for round in 0..3 {
        let url = host.data_url.clone();
        let name = format!("round-{round}");
        let function = Function::guest("hello").named(&name);
        std::thread::scope(|scope| {
            // Either outcome is fine for the one who deploys; what counts is what the next server finds.
            let deploy = scope.spawn(|| host.try_deploy(&function));
            until("the deploy is under way or done", || {
                let begun = fs::read_dir(host.data_dir().join("blobs")).is_ok_and(|mut blobs| blobs.next().is_some());
                (begun || deploy.is_finished()).then_some(())
            });
            process::signal(host.pid, "KILL");
        });
        host.after_kill();
        assert_ne!(host.data_url, url);
        let listed = host.modelet(["function", "list", "--json"]).json();
        for function in listed["functions"].as_array().unwrap() {
            assert_eq!(function["serving"], true, "{function}");
            let path = function["routes"][0]["path"].as_str().unwrap();
            assert_eq!(host.get(path).ok().text(), "hello\n");
        }
    }
    host.stop();
}

#[test]
fn compiled_code_that_was_tampered_with_is_not_run() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("hello"));
    let compiled: Vec<_> =
        files(&host.data_dir()).into_iter().filter(|file| file.extension().is_some_and(|e| e == "cwasm")).collect();
    assert!(!compiled.is_empty(), "{:?}", files(&host.data_dir()));
    host.halt();
    for file in &compiled {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::remove_file(file).unwrap();
        fs::write(file, bytes).unwrap();
    }
    host.start_again();
    assert_eq!(host.get("/hello").ok().text(), "hello\n", "it is compiled again from the component");
    host.stop();
}

#[test]
fn a_second_server_on_the_same_data_directory_is_refused() {
    let host = shared();
    let mut second = modelet();
    second.arg("serve").arg("--data-dir").arg(host.data_dir()).args([
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let line = ran(&mut second).refused();
    assert!(line.contains("another"), "{line}");
    assert_eq!(host.get(&host.guest("hello")).status, 200);
}

#[test]
fn the_data_directory_is_for_its_owner_alone() {
    let host = shared();
    let _ = host.guest("hello");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.data_dir()), 0o700);
    // Nobody else gets past that folder; the key is shut off once more, for whoever copies it elsewhere.
    assert_eq!(mode(&host.data_dir().join("admin.key")), 0o600);
}

#[test]
fn a_data_directory_open_to_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let mut serve = modelet();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let line = ran(&mut serve).refused();
    assert!(line.contains("700"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let host = shared();
    let folder = tempfile::tempdir().unwrap();
    let taken = host.data_url.trim_start_matches("http://");
    let mut serve = modelet();
    serve
        .args(["serve", "--listen", taken, "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"));
    let ran = ran(&mut serve);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(taken), "{ran:?}");
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_leaves() {
    let mut host = TestHost::start();
    let drip = host.guest("drip");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {drip}?n=100&pause_ms=10 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let _ = wire.read_until(b"\n0\n");
    process::signal(host.pid, "TERM");
    let rest = String::from_utf8_lossy(&wire.rest()).into_owned();
    assert!(rest.contains("\n99\n") && rest.ends_with("0\r\n\r\n"), "cut: {}", &rest[rest.len().saturating_sub(80)..]);
    host.left();
}

#[test]
fn a_request_that_never_ends_is_cut_when_the_drain_is_over() {
    let mut host = TestHost::configured("[server]\ndrain = \"300ms\"\n");
    let drip = host.guest("drip");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {drip}?n=1000000&pause_ms=10 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let _ = wire.read_until(b"\n0\n");
    let start = std::time::Instant::now();
    process::signal(host.pid, "TERM");
    host.left();
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn a_hangup_reads_the_configuration_again_and_faults_change_nothing() {
    let host = TestHost::configured("[server]\nlog = \"info\"\n");
    let config = host.scratch().join("modelet.toml");
    fs::write(&config, "[server]\nlog = \"loud\"\n").unwrap();
    process::signal(host.pid, "HUP");
    let _ = host.logged(&["SIGHUP", "loud"]);
    fs::write(&config, "[server]\nlog = \"debug\"\ndrain = \"9s\"\n").unwrap();
    process::signal(host.pid, "HUP");
    let _ = host.logged(&["configuration read again"]);
    let _ = host.logged(&["holds after a restart", "server.drain"]);
    assert_eq!(host.get(&host.guest("hello")).status, 200);
    host.stop();
}

#[test]
fn without_onnx_runtime_the_server_says_so_and_serves_what_needs_none() {
    let host = TestHost::starting("[inference]\nlibrary = \"/nowhere/libonnxruntime.so\"\n");
    let ready = host.admin_bare("GET", "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("libonnxruntime.so"), "{}", ready.text());
    assert_eq!(host.get(&host.guest("hello")).status, 200);
    let line = host.try_deploy(&Function::guest("nn").model("digits")).refused();
    assert!(line.contains("cargo xtask setup"), "{line}");
    host.stop();
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
