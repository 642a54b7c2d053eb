//! The audit, as an operator and the administrator of a tenant read it.

use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client};
use serde_json::{Value, json};

/// The audit as somebody with this key reads it, newest first.
fn audit(host: &TestHost, secret: &str, query: &str) -> client::Answer {
    host.admin_as(secret, "GET", &format!("/v1/audit{query}"), b"")
}

fn changes(answer: &client::Answer) -> Vec<Value> {
    answer.clone().ok().json()["changes"].as_array().unwrap().clone()
}

fn kinds(changes: &[Value]) -> Vec<&str> {
    changes.iter().map(|change| change["kind"].as_str().unwrap()).collect()
}

/// A key with the scope `admin`.
fn admin_of(host: &TestHost, tenant: &str) -> (String, String) {
    let made = host.modelet(["key", "create", "--scope", "admin", "--tenant", tenant, "--json"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

/// What somebody does who can write the database of a server that does not run.
fn tamper(host: &TestHost, sql: &str) {
    rusqlite::Connection::open(host.data_dir().join("modelet.db")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn every_change_says_who_made_it_from_where_and_what_stood_before() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    let (id, secret) = admin_of(&host, "acme");
    deploy(&host, "acme", &Function::guest("hello").named("f").route("path = \"/acme/f\""));
    deploy(&host, "acme", &Function::guest("hello").named("f").route("path = \"/acme/g\""));
    host.modelet(["rollback", "f", "--tenant", "acme"]).done();
    let own = ["--tenant", "acme", "--url", &host.admin_url];
    let by_key = |arguments: &[&str]| {
        let mut command = modelet_tests::cli::modelet();
        modelet_tests::cli::ran(command.args(arguments).args(own).env("MODELET_KEY", &secret)).done()
    };
    by_key(&["function", "scale", "f", "--min", "1"]);
    by_key(&["key", "create", "--scope", "read"]);
    by_key(&["function", "remove", "f"]);

    let all = changes(&audit(&host, &host.key(), "?tenant=acme"));
    let expected = [
        "function.remove",
        "function.remove",
        "key.put",
        "function.scale",
        "function.rollback",
        "function.deploy",
        "function.deploy",
        "key.put",
        "tenant.create",
    ];
    assert_eq!(kinds(&all), expected);
    assert!(all.windows(2).all(|pair| pair[0]["id"].as_u64() > pair[1]["id"].as_u64()));
    // Who: the tenant's key, and before it the server's own.
    for (change, key) in all.iter().zip([&id, &id, &id, &id].into_iter().map(String::as_str).chain(["admin"; 5])) {
        let by = &change["by"];
        assert_eq!((&by["kind"], by["key"].as_str()), (&json!("key"), Some(key)), "{change}");
        assert_eq!(by["scopes"], json!(["admin"]), "{change}");
        assert!(by["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{change}");
    }
    assert_eq!((&all[0]["by"]["tenant"], &all[8]["by"]["tenant"]), (&json!("acme"), &json!("default")));
    // From what to what.
    let value = |at: usize, of: &str| all[at][of].as_str().map(|text| text.split(' ').next().unwrap().to_owned());
    let between = |at: usize| (value(at, "before"), value(at, "after"));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(between(3), (None, text("1")));
    assert_eq!(between(4), (text("2"), text("1")), "{}", all[4]);
    assert_eq!(between(5), (text("1"), text("2")), "{}", all[5]);
    assert_eq!(between(6), (None, text("1")));
    assert!(all[4]["before"].as_str().unwrap().contains("sha256:"), "{}", all[4]);
    assert!(value(0, "before").unwrap().starts_with("sha256:") && value(0, "after").is_none());
    let whole = audit(&host, &host.key(), "").text();
    assert!(whole.contains("server.start") && !whole.contains(&secret) && !whole.contains("modelet_"), "{whole}");
    host.stop();
}

#[test]
fn a_tenant_reads_its_own_and_not_who_the_operator_is() {
    let host = TestHost::start();
    create(&host, "acme", &[]);
    create(&host, "beta", &[]);
    let (_, secret) = admin_of(&host, "acme");
    let (_, other) = admin_of(&host, "beta");
    let own = changes(&audit(&host, &secret, ""));
    assert_eq!(kinds(&own), ["key.put", "tenant.create"]);
    for change in &own {
        assert_eq!(change["by"], json!({ "kind": "operator" }), "neither the key nor the address: {change}");
    }
    assert_eq!(own, changes(&audit(&host, &secret, "?tenant=acme")));
    let theirs = audit(&host, &secret, "?tenant=beta").problem(404, "no-tenant");
    assert_eq!(
        theirs.replace("beta", "NAME"),
        audit(&host, &secret, "?tenant=none").problem(404, "no-tenant").replace("none", "NAME")
    );
    host.admin_as(&other, "GET", "/v1/audit/verify", b"").problem(403, "not-the-operator");
    // What was of a tenant that is no more stays the operator's to read.
    host.modelet(["tenant", "remove", "beta"]).done();
    let gone = changes(&audit(&host, &host.key(), "?tenant=beta"));
    assert_eq!(kinds(&gone), ["tenant.remove", "key.put", "tenant.create"]);
    audit(&host, &other, "").problem(401, "unauthorized");
    host.stop();
}

#[test]
fn refusals_are_counted_and_leave_no_row() {
    let host = TestHost::start();
    let made = host.modelet(["key", "create", "--scope", "read", "--json"]).json();
    let reader = made["secret"].as_str().unwrap();
    let before = changes(&audit(&host, &host.key(), ""));
    let count = |code: &str| host.metrics().sum("modelet_admin_refused_total", &[("code", code)]);
    let (none, forbidden) = (count("unauthorized"), count("forbidden"));
    for _ in 0..5 {
        audit(&host, "modelet_wrong", "").problem(401, "unauthorized");
        audit(&host, reader, "").problem(403, "forbidden");
    }
    assert_eq!((count("unauthorized") - none, count("forbidden") - forbidden), (5.0, 5.0));
    assert_eq!(changes(&audit(&host, &host.key(), "")), before);
    host.stop();
}

#[test]
fn pages_follow_each_other_and_the_command_line_follows_them() {
    let host = TestHost::start();
    for at in 0..12 {
        create(&host, &format!("t{at}"), &[]);
    }
    let key = host.key();
    let (mut seen, mut query) = (Vec::new(), "?limit=5&kind=tenant".to_owned());
    loop {
        let answer = audit(&host, &key, &query);
        let page = changes(&answer);
        assert!(page.len() <= 5);
        seen.extend(page.iter().map(|change| change["subject"].as_str().unwrap().to_owned()));
        // What comes in between moves nothing to another page.
        create(&host, &format!("later{}", seen.len()), &[]);
        match answer.json()["next"].as_str() {
            Some(next) => query = format!("?limit=5&kind=tenant&after={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..12).rev().map(|at| format!("t{at}")).collect();
    assert_eq!(seen, expected);
    audit(&host, &key, "?limit=0").problem(400, "bad-request");
    audit(&host, &key, "?limit=1001").problem(400, "bad-request");
    audit(&host, &key, "?after=nonsense").problem(400, "bad-request");
    let listed = host.modelet(["audit", "--subject", "t3", "--json"]).json();
    assert_eq!(listed["changes"].as_array().unwrap().len(), 1);
    let table = host.modelet(["audit", "--kind", "tenant.create", "--limit", "0"]).done();
    assert_eq!(table.lines().count(), 1 + 12 + 3, "{table}");
    assert!(table.contains("default/admin") && table.contains("127.0.0.1:"), "{table}");
    assert_eq!(host.modelet(["audit", "--until", "1h"]).done(), "no such changes\n");
    let line = host.modelet(["audit", "--since", "1s", "--until", "1h"]).refused();
    assert!(line.contains("`since` is not before `until`"), "{line}");
    host.stop();
}

#[test]
fn what_was_altered_behind_the_servers_back_is_found() {
    let mut host = TestHost::start();
    for at in 0..5 {
        create(&host, &format!("t{at}"), &[]);
    }
    let whole = host.modelet(["audit", "--verify"]).done();
    assert!(whole.contains("all whole"), "{whole}");
    let head = whole.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned();
    let last = || host_rows(&host);
    let middle = last() - 2;
    host.halt();
    tamper(&host, &format!("UPDATE event SET subject = 'x' WHERE id = {middle}"));
    host.start_again();
    let found = host.modelet(["audit", "--verify"]).refused();
    assert!(found.contains(&format!("row {middle} was changed")), "{found}");
    let found = host.modelet(["audit", "--verify", "--json"]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert_eq!(serde_json::from_str::<Value>(&found.stdout).unwrap()["whole"], json!(false));
    host.halt();
    tamper(
        &host,
        &format!("UPDATE event SET subject = 't2' WHERE id = {middle}; DELETE FROM event WHERE id > {middle}"),
    );
    host.start_again();
    let found = host.modelet(["audit", "--verify", "--anchor", &head]).refused();
    assert!(found.contains(&format!("row {} is missing", middle + 1)), "{found}");
    host.halt();
    let doctor = host.modelet(["doctor", "--verify"]);
    assert!(doctor.stdout.contains(&format!("audit: row {} is missing", middle + 1)), "{doctor:?}");
}

/// How many rows there are.
fn host_rows(host: &TestHost) -> u64 {
    host.admin("GET", "/v1/audit/verify", b"").ok().json()["rows"].as_u64().unwrap()
}
