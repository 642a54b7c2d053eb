//! Contents that are not what they were: each is named, costs only what needs it, and is mended by sending the same bytes again.

use super::{assert_serves, digits, furnish, listed};
use modelet_tests::tenants::{create, deploy};
use modelet_tests::wait::moment;
use modelet_tests::{Function, TestHost, places, until};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Changes one byte in the middle of a file.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    // Another file under the name: what the server has mapped stays.
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// The file of a content.
fn blob(host: &TestHost, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    host.data_dir().join("blobs").join(&hex[..2]).join(hex)
}

fn component(host: &TestHost, function: &str) -> PathBuf {
    let shown = host.modelet(["function", "show", function, "--json"]).json();
    blob(host, shown["digest"].as_str().unwrap())
}

/// What was compiled of a component.
fn code(host: &TestHost, component: &Path) -> PathBuf {
    let name = component.file_name().unwrap().to_str().unwrap();
    let compiled = fs::read_dir(host.data_dir().join("compiled")).unwrap().map(|entry| entry.unwrap().path());
    let mut of = compiled.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name));
    of.next().unwrap()
}

/// What `doctor --verify` says of a data directory that no server uses.
fn doctor(host: &TestHost) -> String {
    host.modelet(["doctor", "--verify"]).stdout
}

#[test]
fn a_function_whose_component_is_damaged_is_reported_and_the_others_serve() {
    let mut host = TestHost::start();
    furnish(&host);
    host.deploy(&Function::guest("echo"));
    let before = listed(&host);
    let damaged = component(&host, "echo");
    host.halt();
    damage(&damaged);
    fs::remove_file(code(&host, &damaged)).unwrap();
    let said = doctor(&host);
    assert!(said.contains(&damaged.display().to_string()) && said.contains("is damaged"), "{said}");
    host.start_again();
    let ready = host.readiness();
    let failed = ready["failed"][0].as_str().unwrap();
    assert!(ready["ready"] == true && failed.starts_with("echo: "), "{ready}");
    assert!(!ready.to_string().contains(&host.data_dir().display().to_string()), "{ready}");
    assert_serves(&host);
    host.post("/echo", b"x").problem(404, "not-found");
    assert_eq!(host.modelet(["function", "list", "--json"]).json()["functions"].as_array().unwrap().len(), 4);
    host.deploy(&Function::guest("echo"));
    assert_eq!(host.post("/echo", b"mended").ok().text(), "mended");
    assert_eq!(host.readiness()["failed"], json!([]));
    host.modelet(["rollback", "echo", "--to", "1"]).done();
    assert_eq!(host.post("/echo", b"and before").ok().text(), "and before");
    host.restart();
    assert_eq!(host.readiness()["failed"], json!([]));
    assert_eq!(listed(&host)[1..], before[1..]);
    host.halt();
    assert!(doctor(&host).contains("all whole"));
}

#[test]
fn a_function_serves_from_its_code_while_its_component_is_damaged_and_readyz_says_so() {
    let mut host = TestHost::start();
    furnish(&host);
    let damaged = component(&host, "hello");
    host.halt();
    damage(&damaged);
    host.start_again();
    let told = until("the damage is found", || host.readiness()["damaged"][0].as_str().map(str::to_owned));
    assert!(told.starts_with("hello: "), "{told}");
    assert_eq!(host.readiness()["damaged"].as_array().unwrap().len(), 1);
    assert_serves(&host);
    host.deploy(&Function::guest("hello"));
    assert_eq!(host.readiness()["damaged"], json!([]));
    host.halt();
    assert!(doctor(&host).contains("all whole"));
}

#[test]
fn what_is_wrong_with_a_function_is_told_until_it_serves_as_it_should_or_is_gone() {
    let mut host = TestHost::start();
    let split = |guest: &str| Function::guest(guest).named("split").route("path = \"/split\"\nauth = \"none\"");
    host.deploy(&split("echo"));
    let first = component(&host, "split");
    host.deploy(&split("hello"));
    let before = moment();
    host.modelet(["traffic", "split", "1=40", "2=60"]).done();
    host.deploy(&Function::guest("status"));
    let other = component(&host, "status");
    host.halt();
    for damaged in [&first, &other] {
        damage(damaged);
        fs::remove_file(code(&host, damaged)).unwrap();
    }
    host.start_again();
    let failed = || {
        let failed = host.readiness()["failed"].clone();
        failed.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let begun = failed();
    assert!(begun[0].starts_with("split: its requests are not shared out: ") && begun.len() == 2, "{begun:?}");
    assert_eq!(host.get("/split").ok().text(), "hello\n", "the live version has all");
    host.modelet(["rollback", "split", "--to", "2"]).done();
    let left = failed();
    assert!(left[0].starts_with("status: ") && left.len() == 1, "it has all since somebody said so: {left:?}");
    // Back to when the other function was not there.
    host.modelet(["restore", "--at", &before]).done();
    assert_eq!(failed(), [""; 0]);
    assert_eq!(host.get("/split").ok().text(), "hello\n");
    host.stop();
}

#[test]
fn a_tenant_goes_at_once_while_components_are_still_looked_at() {
    let mut host = TestHost::configured("[server]\ndrain = \"1s\"\n");
    create(&host, "acme", &["/status"]);
    deploy(&host, "acme", &Function::guest("status"));
    host.deploy(&Function::guest("hello"));
    let component = component(&host, "hello");
    host.halt();
    // Whoever reads it waits until somebody has written it.
    fs::remove_file(&component).unwrap();
    assert!(Command::new("mkfifo").arg(&component).status().unwrap().success());
    host.start_again();
    host.modelet(["tenant", "remove", "acme", "--force"]).done();
    let log = host.log();
    assert!(!log.contains("requests to functions of a removed tenant still run"), "{log}");
    assert_eq!(host.readiness()["damaged"], json!([]), "it is still being read");
    fs::write(&component, "something else").unwrap();
    until("it has been read", || host.readiness()["damaged"][0].as_str().map(str::to_owned));
    host.stop();
}

#[test]
fn code_that_is_damaged_is_compiled_again_at_its_first_use() {
    let mut host = TestHost::start();
    furnish(&host);
    let code = code(&host, &component(&host, "hello"));
    host.halt();
    damage(&code);
    host.start_again();
    assert_serves(&host);
    let _ = host.logged(&["no usable compiled code: compiling again", "hello"]);
    assert_eq!(host.readiness()["failed"], json!([]));
    host.restart();
    let compiles = host.metrics().sum("modelet_compiles_total", &[]);
    assert_serves(&host);
    assert_eq!(host.metrics().sum("modelet_compiles_total", &[]), compiles, "the new code counts");
    host.stop();
}

#[test]
fn a_model_whose_file_is_damaged_serves_from_its_form_and_never_becomes_another() {
    let mut host = TestHost::start();
    furnish(&host);
    let digest = host.modelet(["model", "show", "digits", "--json"]).json()["versions"][0]["digest"].clone();
    let damaged = blob(&host, digest.as_str().unwrap());
    host.halt();
    damage(&damaged);
    let said = doctor(&host);
    assert!(said.contains(&damaged.display().to_string()) && said.contains("is damaged"), "{said}");
    host.start_again();
    assert_serves(&host);
    host.halt();
    for form in fs::read_dir(host.data_dir().join("optimised")).unwrap() {
        fs::remove_file(form.unwrap().path()).unwrap();
    }
    host.start_again();
    let refusal = digits(&host).unwrap_err();
    assert!(!refusal.data.contains("/"), "{refusal:?}");
    let _ = host.logged(&["a model cannot be loaded", "is damaged"]);
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    let model = places::model("digits").display().to_string();
    host.modelet(["model", "push", &model, "--name", "digits"]).done();
    until("the model is loaded from what was pushed again", || digits(&host).ok());
    assert_serves(&host);
    host.halt();
    assert!(doctor(&host).contains("all whole"));
}
