//! Exports and imports: all desired state as one file, taken to another server, and never believed.

use modelet_tests::archive::{self, pack, unpack};
use modelet_tests::cli::Ran;
use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part, to_f32s};
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, places};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A server with something of everything that is exported.
fn full() -> TestHost {
    let host = TestHost::start();
    host.modelet(["tenant", "create", "acme", "--host", "acme.example", "--path", "/acme"]).done();
    host.modelet(["tenant", "limits", "acme", "concurrency=8", "model_bytes=1GiB"]).done();
    let push = |file: &str, more: &[&str]| {
        let file = places::model(file).display().to_string();
        host.modelet(["model", "push", &file, "--name", "m"].iter().chain(more)).done();
    };
    push("digits", &["--tenant", "acme", "--label", "stable"]);
    push("dynamic_batch", &["--tenant", "acme"]);
    host.modelet(["model", "grant", "m", "--to", "default", "--share-batch", "--tenant", "acme"]).done();
    host.modelet(["model", "pin", "m@1", "--tenant", "acme"]).done();
    let route = "path = \"/acme/split\"\nauth = \"none\"";
    for guest in ["hello", "status", "echo"] {
        deploy(&host, "acme", &Function::guest(guest).named("split").route(route).with("[config]\na = \"b\"\n"));
    }
    host.modelet(["function", "remove", "split", "--version", "1", "--tenant", "acme"]).done();
    host.modelet(["traffic", "split", "2=100", "--sticky", "x-user", "--shadow", "3", "--tenant", "acme"]).done();
    host.deploy(&Function::guest("nn").named("user").model_ref("m", "acme/m"));
    host.deploy(&Function::guest("hello").named("warm"));
    host.modelet(["function", "scale", "warm", "--min", "1"]).done();
    host
}

/// What the server answers, by value.
fn answers(host: &TestHost) -> Value {
    let x = vec![part("x", Kind::Fp32, &[1, 4], f32s(&[1.0; 4]))];
    json!([
        host.get("/acme/split").ok().text(),
        to_f32s(&compute(host, "/user", "m", x).unwrap()[0].data),
        host.get("/warm").ok().text(),
    ])
}

/// What listings say, without what is of this server and this moment.
fn listings(host: &TestHost) -> Value {
    let mut all = Vec::new();
    for tenant in ["acme", "default"] {
        let mut ask = |arguments: &[&str], drop: &[&str]| {
            let mut listed = host.modelet(arguments.iter().chain(&["--tenant", tenant, "--json"])).json();
            strip(&mut listed, drop);
            all.push(listed);
        };
        let moment =
            ["instances", "memory", "compile", "deployed", "created_ms", "granted_ms", "world", "usage", "etag"];
        ask(&["function", "list"], &moment);
        ask(&["model", "list"], &moment);
        if tenant == "acme" {
            ask(&["function", "versions", "split"], &moment);
            ask(&["traffic", "split"], &["shadow", "etag"]);
            ask(&["model", "versions", "m"], &moment);
        }
    }
    let mut tenants = host.modelet(["tenant", "list", "--json"]).json();
    strip(&mut tenants, &["created_ms", "etag"]);
    all.push(tenants);
    all.into()
}

fn strip(value: &mut Value, drop: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !drop.contains(&name.as_str()));
            fields.values_mut().for_each(|field| strip(field, drop));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, drop)),
        _ => {}
    }
}

fn export(host: &TestHost, name: &str, more: &[&str]) -> PathBuf {
    let file = host.scratch().join(name);
    let path = file.display().to_string();
    host.modelet(["export", &path].iter().chain(more)).done();
    file
}

fn import(host: &TestHost, file: &Path, more: &[&str]) -> Ran {
    let path = file.display().to_string();
    host.modelet(["import", &path].iter().chain(more))
}

fn changes(imported: &Value) -> Vec<String> {
    let items = imported["items"].as_array().unwrap();
    items.iter().map(|i| format!("{} {}", i["change"].as_str().unwrap(), i["name"].as_str().unwrap())).collect()
}

#[test]
fn all_desired_state_goes_to_an_empty_server_and_serves_the_same_there() {
    let source = full();
    let said = source.modelet(["export", "all.tar", "--json"]).json();
    assert_eq!((&said["tenants"], &said["models"], &said["functions"]), (&json!(2), &json!(1), &json!(3)), "{said}");
    assert!(said["not_included"].to_string().contains("secrets") && said["not_included"].to_string().contains("keys"));
    let file = source.scratch().join("all.tar");
    let line = source.modelet(["export", "all.tar"]).refused();
    assert!(line.contains("is there already"), "{line}");

    let mut target = TestHost::start();
    let would = import(&target, &file, &["--dry-run", "--json"]).json();
    assert_eq!(changes(&would), ["added acme", "added m", "added split", "added user", "added warm"], "{would}");
    assert_eq!(target.modelet(["tenant", "list", "--json"]).json()["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(target.modelet(["function", "list", "--json"]).json()["functions"], json!([]));

    let said = import(&target, &file, &[]).done();
    assert!(said.starts_with("5 changes: all of it is here"), "{said}");
    assert_eq!(answers(&target), answers(&source));
    assert_eq!(listings(&target), listings(&source));
    let warm = target.modelet(["function", "show", "warm", "--json"]).json();
    assert_eq!(warm["instances"]["kept"], 1, "{warm}");
    let pinned = target.modelet(["model", "versions", "m", "--tenant", "acme", "--json"]).json();
    assert_eq!(pinned["versions"][1]["memory"]["pinned"], true, "{pinned}");

    let again = import(&target, &file, &["--json"]).json();
    assert!(changes(&again).iter().all(|change| change.starts_with("unchanged")), "{again}");
    target.kill_and_restart();
    assert_eq!(answers(&target), answers(&source));
    assert_eq!(listings(&target), listings(&source));
    let back = export(&target, "back.tar", &[]);
    let content = |file: &Path| {
        let mut manifest = archive::manifest(&fs::read(file).unwrap());
        manifest["exported"].take();
        manifest
    };
    assert_eq!(content(&back), content(&file), "what was imported is exported again");
    assert_eq!(fs::metadata(&back).unwrap().len(), fs::metadata(&file).unwrap().len());
    let mode = fs::metadata(&back).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "for its owner alone");
    target.stop();
    source.stop();
}

#[test]
fn secrets_do_not_travel_and_who_imports_is_told_which_to_set() {
    const VALUE: &str = "n0b0dy-1s-t0-f1nd-th1s-1n-4n-4rch1v3";
    let source = TestHost::start();
    source.modelet_fed(["secret", "set", "stripe"], VALUE.as_bytes()).done();
    let settings = "[config]\nkey = { secret = \"stripe\" }\n";
    source.deploy(&Function::guest("settings").named("pays").with(settings));
    let file = export(&source, "a.tar", &[]);
    assert!(!String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(VALUE));
    let target = TestHost::start();
    let said = import(&target, &file, &["--json"]).json();
    assert!(said["notes"].to_string().contains("modelet secret set stripe --tenant default"), "{said}");
    target.modelet_fed(["secret", "set", "stripe"], b"another").done();
    assert_eq!(target.get("/pays?key=key&quiet=").ok().json()["one"], "another");
    target.stop();
    source.stop();
}

#[test]
fn what_is_here_and_is_another_is_named_and_replaced_only_if_that_is_said() {
    let source = TestHost::start();
    let file = places::model("digits").display().to_string();
    source.modelet(["model", "push", &file, "--name", "m", "--label", "stable"]).done();
    source.deploy(&Function::guest("hello").named("f"));
    source.deploy(&Function::guest("hello").named("g"));
    let archive = export(&source, "a.tar", &[]);

    let target = TestHost::start();
    let other = places::model("dynamic_batch").display().to_string();
    target.modelet(["model", "push", &other, "--name", "m", "--label", "stable"]).done();
    target.deploy(&Function::guest("status").named("f"));
    let before = target.modelet(["model", "versions", "m", "--json"]).json();
    let line = import(&target, &archive, &[]).refused();
    let named =
        line.contains("the model default/m") && line.contains("the function default/f") && line.contains("--replace");
    assert!(named && line.contains("import-conflicts") && !line.contains("default/g"), "{line}");
    assert_eq!(target.modelet(["model", "versions", "m", "--json"]).json(), before);
    let _ = target.get("/g").problem(404, "not-found");

    let done = import(&target, &archive, &["--replace", "--json"]).json();
    assert_eq!(changes(&done), ["changed m", "changed f", "added g"], "{done}");
    assert!(done["notes"].to_string().contains("version 1 of the function default/f is version 2 here"), "{done}");
    assert_eq!((target.get("/f").ok().text(), target.get("/g").ok().text()), ("hello\n".into(), "hello\n".into()));
    let versions = target.modelet(["model", "versions", "m", "--json"]).json();
    let labels: Vec<_> = versions["versions"].as_array().unwrap().iter().map(|v| v["labels"].clone()).collect();
    assert_eq!(labels, [json!(["stable"]), json!([])], "what was here stays, as version 1");
    let again = import(&target, &archive, &["--replace", "--json"]).json();
    assert_eq!(changes(&again), ["unchanged m", "unchanged f", "unchanged g"]);
    target.modelet(["rollback", "f"]).done();
    assert_eq!(target.get("/f").ok().text(), "status 200\n");

    // A route that another function has.
    source.deploy(&Function::guest("hello").named("h").route("path = \"/taken\"\nauth = \"none\""));
    target.deploy(&Function::guest("status").named("i").route("path = \"/taken\"\nauth = \"none\""));
    let archive = export(&source, "b.tar", &[]);
    let line = import(&target, &archive, &["--replace"]).refused();
    assert!(line.contains("/taken"), "{line}");
    assert_eq!(target.get("/f").ok().text(), "status 200\n", "nothing of it is done");
    target.stop();
    source.stop();
}

#[test]
fn a_tenants_admin_exports_and_imports_its_own_and_nobody_elses() {
    let host = full();
    create(&host, "beta", &["/beta", "/acmes"]);
    let key = |tenant: &str, scope: &str| {
        host.modelet(["key", "create", "--scope", scope, "--tenant", tenant]).done().trim().to_owned()
    };
    let (admin, deployer) = (key("beta", "admin"), key("acme", "deploy"));
    let _ = host.admin_as(&deployer, "GET", "/v1/export", b"").problem(403, "forbidden");
    let other = host.admin_as(&admin, "GET", "/v1/export?tenant=acme", b"").problem(404, "no-tenant");
    assert_eq!(
        other,
        host.admin_as(&admin, "GET", "/v1/export?tenant=ghost", b"").problem(404, "no-tenant").replace("ghost", "acme")
    );
    let own = host.admin_as(&admin, "GET", "/v1/export", b"").ok().body;
    let manifest = archive::manifest(&own);
    assert_eq!((unpack(&own).len(), &manifest["tenants"][0]["name"]), (1, &json!("beta")), "{manifest}");
    assert!(
        !manifest.to_string().contains("acme/") && manifest["tenants"].as_array().unwrap().len() == 1,
        "{manifest}"
    );

    let all = fs::read(export(&host, "all.tar", &[])).unwrap();
    let detail = host.admin_as(&admin, "POST", "/v1/import", &all).problem(422, "bad-archive");
    assert!(detail.contains("--tenant T"), "{detail}");
    let _ = host.admin_as(&admin, "POST", "/v1/import?tenant=acme", &all).problem(404, "no-tenant");
    // Another tenant's archive becomes its own, where it may have what is in it.
    let acme = fs::read(export(&host, "acme.tar", &["--tenant", "acme"])).unwrap();
    let detail = host.admin_as(&admin, "POST", "/v1/import", &acme).problem(403, "path-not-given");
    assert!(detail.contains("/acme/split"), "{detail}");
    let mut entries = unpack(&acme);
    let text = String::from_utf8(entries[0].1.clone()).unwrap().replace("/acme/split", "/acmes/split");
    entries[0].1 = text.into_bytes();
    let imported = host.admin_as(&admin, "POST", "/v1/import", &pack(&entries)).ok().json();
    assert_eq!(changes(&imported), ["added m", "added split"], "{imported}");
    assert_eq!(host.get("/acmes/split").ok().text(), host.get("/acme/split").ok().text());
    let tenants = host.modelet(["tenant", "show", "beta", "--json"]).json();
    assert_eq!((&tenants["paths"], &tenants["limits"]), (&json!(["/acmes", "/beta"]), &json!({})), "{tenants}");
    host.stop();
}
