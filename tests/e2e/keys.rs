//! Keys, as their owners type and send them.

use modelet_tests::files::lies_in;
use modelet_tests::raw::Wire;
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client, shared, until};
use serde_json::Value;

fn locked(name: &str) -> Function {
    Function::guest("headers").named(name).route(&format!("path = \"/{name}\"\nauth = \"key\""))
}

/// Makes a key; its id and its secret.
fn make(host: &TestHost, arguments: &[&str]) -> (String, String) {
    let made = host.modelet(["key", "create", "--json"].iter().chain(arguments)).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

fn call(host: &TestHost, route: &str, secret: &str) -> client::Answer {
    host.send("GET", route, &[("authorization", &format!("Bearer {secret}"))], b"")
}

#[test]
fn a_key_is_shown_once_opens_what_its_scope_says_and_is_nowhere_at_rest() {
    let host = TestHost::start();
    deploy(&host, "default", &locked("locked"));
    let ran = host.modelet(["key", "create", "--scope", "invoke"]);
    assert!(ran.stderr.contains("shown this once"), "{ran:?}");
    let secret = ran.done().trim().to_owned();
    assert!(secret.starts_with("modelet_") && secret.len() == 72, "one line, the secret alone: {secret}");
    let answer = call(&host, "/locked", &secret).ok();
    assert!(!answer.text().contains(&secret), "{}", answer.text());
    let listed = host.modelet(["key", "list", "--json"]);
    assert!(!listed.stdout.contains("modelet_"), "{listed:?}");
    let listed = listed.json();
    let keys = listed["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] != "admin").unwrap();
    let id = key["id"].as_str().unwrap();
    assert!(answer.text().contains(&format!("[\"modelet-caller\",\"{id}\"]")), "{id}: {}", answer.text());
    assert!(key["last_use_ms"].as_u64().unwrap() > 0, "{key}");

    host.admin_as(&secret, "GET", "/v1/functions", b"").problem(403, "forbidden");
    host.admin_as(&secret, "GET", "/v1/keys", b"").problem(403, "forbidden");
    let (_, reader) = make(&host, &["--scope", "read"]);
    assert_eq!(host.admin_as(&reader, "GET", "/v1/functions", b"").status, 200);
    call(&host, "/locked", &reader).problem(403, "forbidden");
    host.admin_as(&reader, "GET", "/v1/keys", b"").problem(403, "forbidden");
    assert_eq!(lies_in(&host.data_dir(), secret.as_bytes()), None);
    assert!(!host.log().contains(&secret), "{}", host.log());
    host.stop();
}

#[test]
fn a_revoked_key_is_refused_at_the_next_request_of_a_connection_that_stays_open() {
    let host = TestHost::start();
    deploy(&host, "default", &locked("locked"));
    let (id, secret) = make(&host, &["--scope", "invoke"]);
    let mut wire = Wire::connect(&host.data_url);
    let request = format!("GET /locked HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n\r\n");
    for _ in 0..2 {
        wire.send(request.as_bytes());
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    assert_eq!(host.modelet(["key", "revoke", &id]).done().trim(), format!("{id} is revoked"));
    wire.send(request.as_bytes());
    let refused = wire.answer().unwrap();
    assert_eq!(refused.status, 401, "the same connection");
    assert!(!refused.text().contains(&secret) && !refused.text().contains("modelet_"), "{}", refused.text());
    assert!(host.modelet(["key", "revoke", &id]).refused().contains("no key"), "it is gone");
    // What was a key does not become a guest's header.
    let open = host.send("GET", &host.guest("headers"), &[("authorization", &format!("Bearer {secret}"))], b"").ok();
    assert!(!open.text().contains("authorization"), "{}", open.text());
    host.stop();
}

#[test]
fn a_rotated_key_keeps_its_id_and_its_old_secret_as_long_as_was_said() {
    let mut host = TestHost::start();
    deploy(&host, "default", &locked("locked"));
    let (id, first) = make(&host, &["--scope", "invoke"]);
    let rotate = |host: &TestHost, more: &[&str]| {
        let rotated = host.modelet(["key", "rotate", &id, "--json"].iter().chain(more)).json();
        assert_eq!(rotated["key"]["id"], id.as_str());
        rotated["secret"].as_str().unwrap().to_owned()
    };
    let second = rotate(&host, &["--overlap", "1h"]);
    for restarted in [false, true] {
        if restarted {
            host.restart();
        }
        assert_eq!((call(&host, "/locked", &first).status, call(&host, "/locked", &second).status), (200, 200));
    }
    let third = rotate(&host, &[]);
    call(&host, "/locked", &first).problem(401, "unauthorized");
    call(&host, "/locked", &second).problem(401, "unauthorized");
    assert_eq!(call(&host, "/locked", &third).status, 200);
    let fourth = rotate(&host, &["--overlap", "200ms"]);
    until("the overlap is over", || (call(&host, "/locked", &third).status == 401).then_some(()));
    assert_eq!(call(&host, "/locked", &fourth).status, 200);
    // The command line's own key is rotated with its file.
    let before = host.key();
    host.modelet(["key", "rotate", "admin"]).done();
    assert_ne!(host.key(), before);
    host.admin_as(&before, "GET", "/v1/functions", b"").problem(401, "unauthorized");
    host.modelet(["function", "list"]).done();
    assert!(host.modelet(["key", "revoke", "admin"]).refused().contains("admin.key"));
    host.stop();
}

#[test]
fn a_key_ends_at_its_time() {
    let host = shared();
    let locked = host.once(&locked("locked-for-a-while"));
    let (id, secret) = make(host, &["--scope", "invoke", "--expires", "2s"]);
    let ended = until("the key has ended", || {
        let answer = call(host, &locked, &secret);
        (answer.status != 200).then_some(answer)
    });
    ended.problem(401, "unauthorized");
    let listed = host.modelet(["key", "list", "--json"]).json();
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == id.as_str()).unwrap().clone();
    assert_eq!(key["is_expired"], true, "{key}");
    let (_, long) = make(host, &["--scope", "invoke", "--expires", "30d"]);
    assert_eq!(call(host, &locked, &long).status, 200);
}

#[test]
fn a_tenants_keys_reach_its_own_things_and_a_bound_one_what_it_names() {
    let host = TestHost::start();
    for tenant in ["acme", "beta"] {
        create(&host, tenant, &[&format!("/{tenant}")]);
        for name in ["one", "two"] {
            let route = format!("path = \"/{tenant}/{name}\"");
            deploy(&host, tenant, &Function::guest("headers").named(name).route(&route));
        }
    }
    // Nothing is said of `auth`: of a tenant's route that is `key`, and of the default tenant's, on loopback, `none`.
    deploy(&host, "default", &Function::guest("hello").named("open").route("path = \"/open\""));
    assert_eq!(host.get("/open").status, 200);
    host.get("/acme/one").problem(401, "unauthorized");
    let (_, acme) = make(&host, &["--scope", "invoke", "--tenant", "acme"]);
    assert_eq!((call(&host, "/acme/one", &acme).status, call(&host, "/acme/two", &acme).status), (200, 200));
    call(&host, "/beta/one", &acme).problem(403, "forbidden");
    let bound = ["--scope", "invoke", "--scope", "read", "--scope", "deploy", "--tenant", "acme", "--function", "one"];
    let (_, bound) = make(&host, &bound);
    assert_eq!(call(&host, "/acme/one", &bound).status, 200);
    call(&host, "/acme/two", &bound).problem(403, "forbidden");
    let listed = host.admin_as(&bound, "GET", "/v1/functions", b"").ok().json();
    let names: Vec<&Value> = listed["functions"].as_array().unwrap().iter().map(|function| &function["name"]).collect();
    assert_eq!(names, ["one"]);
    assert_eq!(host.admin_as(&bound, "GET", "/v1/functions/one", b"").status, 200);
    let (two, none) =
        (host.admin_as(&bound, "GET", "/v1/functions/two", b""), host.admin_as(&bound, "GET", "/v1/functions/no", b""));
    assert_eq!(two.problem(404, "no-function").replace("two", "no"), none.problem(404, "no-function"));
    host.admin_as(&bound, "GET", "/v1/tenants", b"").problem(403, "forbidden");
    let refused =
        host.modelet(["key", "create", "--scope", "admin", "--function", "one", "--tenant", "acme"]).refused();
    assert!(refused.contains("cannot have the scope admin"), "{refused}");

    // Who administers a tenant makes its keys, and sees no other's.
    let (_, admin) = make(&host, &["--scope", "admin", "--tenant", "acme"]);
    let own = host.admin_as(&admin, "GET", "/v1/keys", b"").ok().json();
    assert!(own["keys"].as_array().unwrap().iter().all(|key| key["tenant"] == "acme"), "{own}");
    host.admin_as(&admin, "GET", "/v1/keys?tenant=beta", b"").problem(404, "no-tenant");
    host.admin_as(&admin, "DELETE", "/v1/keys/admin", b"").problem(404, "no-key");
    // A tenant's keys go with it.
    host.modelet(["tenant", "remove", "acme", "--force"]).done();
    host.admin_as(&admin, "GET", "/v1/keys", b"").problem(401, "unauthorized");
    host.stop();
}
