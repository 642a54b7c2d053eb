//! Imports between what is stored and what serves: in one step, whoever still waits for the answer, and within what tenants may have.

use modelet_tests::archive::{Entry, pack, unpack};
use modelet_tests::raw::Wire;
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client, places, until};
use serde_json::{Value, json};
use std::fs;

/// A server's archive.
fn exported(host: &TestHost) -> Vec<u8> {
    let file = host.scratch().join("all.tar");
    host.modelet(["export", &file.display().to_string()]).done();
    fs::read(file).unwrap()
}

/// The same with another manifest.
fn changed(archive: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut entries: Vec<Entry> = unpack(archive);
    let mut manifest: Value = serde_json::from_slice(&entries[0].1).unwrap();
    change(&mut manifest);
    entries[0].1 = manifest.to_string().into_bytes();
    pack(&entries)
}

fn at(path: &str, guest: &str, name: &str) -> Function {
    Function::guest(guest).named(name).route(&format!("path = \"{path}\"\nauth = \"none\""))
}

#[test]
fn tenants_and_their_functions_change_places_in_one_step() {
    let source = TestHost::start();
    for (tenant, path, guest) in [("acme", "/one", "hello"), ("beta", "/two", "status")] {
        create(&source, tenant, &[path]);
        deploy(&source, tenant, &at(path, guest, "f"));
    }
    let archive = exported(&source);
    // Here it is the other way round: whatever is changed first is in the way of the other.
    let target = TestHost::start();
    for (tenant, path) in [("acme", "/two"), ("beta", "/one")] {
        create(&target, tenant, &[path]);
        deploy(&target, tenant, &at(path, "echo", "f"));
    }
    let imported = target.admin("POST", "/v1/import?replace=true", &archive);
    assert_eq!(imported.status, 200, "{}", imported.text());
    for path in ["/one", "/two"] {
        assert_eq!(target.get(path).text(), source.get(path).text(), "{path}");
    }
    let claims = |tenant: &str| target.modelet(["tenant", "show", tenant, "--json"]).json()["paths"].clone();
    assert_eq!((claims("acme"), claims("beta")), (json!(["/one"]), json!(["/two"])));
    target.stop();
    source.stop();
}

#[test]
fn what_a_client_has_sent_whole_is_imported_and_served_although_it_hangs_up() {
    let source = TestHost::start();
    source.deploy(&Function::guest("hello").named("f"));
    source.modelet(["function", "scale", "f", "--min", "1"]).done();
    let archive = exported(&source);
    let target = TestHost::start();
    let mut wire = Wire::connect(&target.admin_url);
    let head = format!(
        "POST /v1/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        target.key(),
        archive.len()
    );
    wire.send(head.as_bytes());
    wire.send(&archive);
    drop(wire);
    until("the function serves", || (target.get("/f").status == 200).then_some(()));
    until("it is kept warm", || {
        let shown = target.modelet(["function", "show", "f", "--json"]).json();
        (shown["instances"]["kept"] == 1).then_some(())
    });
    target.stop();
    source.stop();
}

#[test]
fn an_import_is_held_to_what_a_tenant_may_have_and_nothing_is_given_to_the_default_one() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    for (name, path) in [("f", "/acme/f"), ("g", "/acme/g")] {
        deploy(&host, "acme", &at(path, "hello", name));
    }
    let model = places::model("digits").display().to_string();
    for name in ["m", "n"] {
        host.modelet(["model", "push", &model, "--name", name, "--tenant", "acme"]).done();
    }
    let archive = exported(&host);
    let target = TestHost::start();
    let ask = |query: &str, archive: &[u8]| target.admin("POST", &format!("/v1/import{query}"), archive);
    for what in ["functions", "models"] {
        let few = changed(&archive, |manifest| {
            let acme = manifest["tenants"].as_array_mut().unwrap().iter_mut().find(|t| t["name"] == "acme").unwrap();
            acme["limits"] = json!({ what: 1 });
        });
        for query in ["?dry_run=true", ""] {
            let detail = ask(query, &few).problem(403, "quota-exceeded");
            assert!(detail.contains(&format!("may have 1 {what}")), "{detail}");
        }
    }
    let given = changed(&archive, |manifest| {
        let all = manifest["tenants"].as_array_mut().unwrap();
        all.iter_mut().find(|t| t["name"] == "default").unwrap()["paths"] = json!(["/all"]);
    });
    let detail = ask("", &given).problem(422, "bad-archive");
    assert!(detail.contains("there is nothing to give it"), "{detail}");
    assert_eq!(target.modelet(["tenant", "list", "--json"]).json()["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(ask("", &archive).status, 200);
    target.stop();
    host.stop();
}

#[test]
fn nothing_is_given_away_that_a_function_has_which_could_not_be_loaded() {
    let source = TestHost::start();
    create(&source, "acme", &["/taken"]);
    let archive = exported(&source);
    let mut target = TestHost::start();
    target.modelet_fed(["secret", "set", "token"], b"value").done();
    let settings = "[config]\nkey = { secret = \"token\" }\n";
    target.deploy(&at("/taken", "settings", "f").with(settings));
    target.halt();
    let (key, aside) = (target.data_dir().join("secret.key"), target.scratch().join("aside"));
    fs::rename(&key, &aside).unwrap();
    target.start_again();
    assert_eq!(target.get("/taken").status, 404, "without its secret it does not serve");
    let detail = target.admin("POST", "/v1/import", &archive).problem(409, "bad-route");
    assert!(detail.contains("/taken"), "{detail}");
    target.halt();
    fs::rename(&aside, &key).unwrap();
    target.start_again();
    assert_eq!(target.get("/taken?quiet=").status, 200);
    target.stop();
    source.stop();
}

#[test]
fn limits_of_a_day_that_are_imported_hold_at_once() {
    let source = TestHost::start();
    create(&source, "acme", &["/acme"]);
    source.modelet(["tenant", "limits", "acme", "cpu_per_day=1ms"]).done();
    let archive = exported(&source);
    let target = TestHost::start();
    create(&target, "acme", &["/acme"]);
    deploy(&target, "acme", &at("/acme/heavy", "heavy", "heavy"));
    let _ = target.get("/acme/heavy?ms=60").ok();
    until("it is booked", || {
        let shown = target.modelet(["tenant", "show", "acme", "--json"]).json();
        (shown["usage"]["cpu_seconds_today"].as_f64().unwrap_or(0.0) > 0.01).then_some(())
    });
    assert_eq!(target.admin("POST", "/v1/import?replace=true", &archive).status, 200);
    target.get("/acme/heavy?ms=1").problem(429, "daily-cpu-exceeded");
    target.stop();
    source.stop();
}

#[test]
fn a_refusal_is_read_by_a_client_that_sends_all_before_it_reads() {
    let host = TestHost::configured("[limits]\nmodel_bytes = \"1MiB\"\ncomponent_bytes = \"1MiB\"\n");
    create(&host, "acme", &["/acme"]);
    host.modelet(["tenant", "limits", "acme", "model_bytes=1KiB"]).done();
    let reader = host.modelet(["key", "create", "--scope", "read"]).done().trim().to_owned();
    // More than sockets hold on both sides.
    let large = vec![b' '; 48 << 20];
    let admin = host.key();
    for (key, method, path, status) in [
        ("wrong", "POST", "/v1/import", 401),
        ("wrong", "PUT", "/v1/models/m", 401),
        (&reader, "POST", "/v1/import", 403),
        (&reader, "POST", "/v1/functions", 403),
        (&reader, "POST", "/v1/blobs", 403),
        (&admin, "POST", "/v1/import", 422),
        (&admin, "POST", "/v1/import?tenant=ghost", 404),
        (&admin, "POST", "/v1/blobs", 413),
        (&admin, "POST", "/v1/blobs?tenant=acme", 413),
        (&admin, "PUT", "/v1/models/m", 413),
        (&admin, "POST", "/v1/functions", 400),
        (&admin, "PUT", "/v1/secrets/s", 400),
        (&admin, "POST", "/v1/nothing", 404),
    ] {
        let bearer = format!("Bearer {key}");
        let kind = if path == "/v1/functions" { "application/json" } else { "application/octet-stream" };
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let sent = client::send(method, &format!("{}{path}", host.admin_url), &headers, &large);
        let answer = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    host.stop();
}
