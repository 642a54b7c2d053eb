//! What a server does whose disk or data directory has a fault: it says so, loses nothing, and what runs goes on.

mod damage;
mod database;
mod disk;

use modelet_tests::frame::Kind;
use modelet_tests::{Function, TestHost, nn, places};
use serde_json::{Value, json};
use std::ffi::OsStr;

/// Gives a server a function that answers, one that keeps pairs and one with a model; with something in all of them.
fn furnish(host: &TestHost) {
    let digits = places::model("digits").display().to_string();
    host.modelet(["model", "push", &digits, "--name", "digits", "--label", "stable"]).done();
    host.deploy(&Function::guest("hello"));
    host.deploy(&Function::guest("hello").with("[limits]\ntime = \"3s\"\n"));
    host.deploy(&Function::guest("nn").model_ref("digits", "digits@stable"));
    host.deploy(&Function::guest("pairs"));
    let secret = host.scratch().join("secret.txt");
    std::fs::write(&secret, "not for everybody").unwrap();
    host.modelet([
        OsStr::new("secret"),
        OsStr::new("set"),
        OsStr::new("kept"),
        OsStr::new("--file"),
        secret.as_os_str(),
    ])
    .done();
    assert_eq!(pair(host, "do=set&key=kept&value=before"), json!({ "ok": null }));
    assert_serves(host);
}

/// What was furnished answers as it did.
#[track_caller]
fn assert_serves(host: &TestHost) {
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    assert_eq!(pair(host, "do=get&key=kept"), json!({ "ok": "before" }));
    assert_eq!(digits(host).unwrap(), 2);
}

/// Calls the model; how many outputs there are.
fn digits(host: &TestHost) -> Result<usize, nn::Refusal> {
    let picture = vec![nn::part("X", Kind::Fp32, &[1, 64], vec![0; 256])];
    nn::compute(host, "/nn", "digits", picture).map(|outputs| outputs.len())
}

fn pair(host: &TestHost, query: &str) -> Value {
    host.get(&format!("/pairs?{query}")).ok().json()
}

/// What the listings say that does not change by itself: what is stored, and nothing of what is in memory.
fn listed(host: &TestHost) -> Vec<Value> {
    let of = |words: &[&str], list: &str, fields: &[&str]| {
        let said = host.modelet(words.iter().copied().chain(["--json"])).json();
        let of =
            |item: &Value| fields.iter().map(|field| ((*field).to_owned(), item[field].clone())).collect::<Value>();
        said[list].as_array().unwrap().iter().map(of).collect::<Value>()
    };
    let versions = |name: &str| {
        of(&["function", "versions", name], "versions", &["version", "digest", "live", "percent", "deployed"])
    };
    vec![
        of(&["function", "list"], "functions", &["name", "version", "digest", "routes", "limits", "models"]),
        of(&["model", "show", "digits"], "versions", &["name", "version", "digest", "labels", "files", "card"]),
        of(&["key", "list"], "keys", &["id", "scopes", "tenant", "created_ms"]),
        of(&["secret", "list"], "secrets", &["name"]),
        of(&["tenant", "list"], "tenants", &["name", "claims"]),
        versions("hello"),
        versions("nn"),
        versions("pairs"),
    ]
}
