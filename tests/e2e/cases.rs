//! The manifest's own cases before a version goes live.

use modelet_tests::{Function, TestHost, places, shared};
use serde_json::json;
use std::fs;

fn case(request: &str, expect: &str) -> String {
    format!("[[case]]\nrequest = {{ path = \"/\", {request} }}\nexpect = {{ {expect} }}\n")
}

#[test]
fn a_failing_case_refuses_the_version_with_what_was_expected_and_what_came() {
    let host = TestHost::start();
    host.deploy(&Function::guest("hello"));
    let wrong = case("method = \"GET\"", "status = 201, body = \"goodbye\\n\"");
    let line = host.try_deploy(&Function::guest("hello").with(&wrong)).refused();
    for words in ["case 1 of 1 (GET /)", "expected status 201, got 200", "goodbye", "hello", "(case-failed)"] {
        assert!(line.contains(words), "{words}: {line}");
    }
    let shown = host.modelet(["function", "versions", "hello", "--json"]).json();
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1, "no version is left behind: {shown}");
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    host.deploy(&Function::guest("hello").with(&case("method = \"GET\"", "body = \"hello\\n\"")));
    host.stop();
}

#[test]
fn a_guest_that_traps_on_a_case_is_refused() {
    let line = shared().try_deploy(&Function::guest("trap").with(&case("method = \"GET\"", ""))).refused();
    assert!(line.contains("expected status 200, but its guest trapped"), "{line}");
}

#[test]
fn a_case_may_send_a_file_and_look_at_headers() {
    let host = shared();
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    let cases = case("method = \"POST\", body_file = \"bytes.bin\"", "status = 200, body = \"from a file\"");
    Function::guest("echo").named("echoes-file").with(&cases).lay(folder.path());
    let path = folder.path().display().to_string();
    let missing = host.modelet(["deploy", &path]).refused();
    assert!(missing.contains("bytes.bin"), "{missing}");
    fs::write(folder.path().join("bytes.bin"), "another file").unwrap();
    let line = host.modelet(["deploy", &path]).refused();
    assert!(line.contains("expected the body \"from a file\", got \"another file\""), "{line}");
    fs::write(folder.path().join("bytes.bin"), "from a file").unwrap();
    host.modelet(["deploy", &path]).done();
}

#[test]
fn who_deploys_without_the_files_of_the_cases_is_told() {
    let host = shared();
    let component = host.admin("POST", "/v1/blobs", &fs::read(places::guest("hello")).unwrap()).json();
    let manifest = json!({ "name": "no-file", "case": [{ "request": { "path": "/", "body_file": "x" } }] });
    let deploy = json!({ "manifest": manifest, "component": component["digest"] });
    let detail = host.admin("POST", "/v1/functions", deploy.to_string().as_bytes()).problem(422, "no-case-file");
    assert!(detail.contains("the file x"), "{detail}");
}
