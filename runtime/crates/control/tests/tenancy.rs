//! The tenancy matrix: every endpoint of the admin API × every scope of a key and of a token, and keys that are bound × the own
//! tenant, another's and none.
//!
//! One table. A test fails when the OpenAPI document has an endpoint that is not in it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod host;

use std::collections::BTreeSet;

use host::Host;
use host::tokens::token;
use modelet_spec::Digest;

/// An endpoint, a request to it, and what comes of that.
struct Row {
    method: &'static str,
    /// As the document has it.
    path: &'static str,
    /// What it needs; `None`: no key at all.
    scope: Option<&'static str>,
    /// A request; `{t}` is the tenant that is meant, if any can be.
    uri: &'static str,
    body: &'static str,
    /// What who may ask is answered: the status, and the code of a problem.
    own: (u16, &'static str),
    /// The same for the operator, where that differs.
    operator: Option<(u16, &'static str)>,
    /// What a key that is bound to functions and models reaches of it.
    bound: Reach,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nothing.
    Nothing,
    /// What others reach, or of a listing what it is bound to.
    Shown,
    /// What it names, if the key is bound to that.
    Named,
}

const fn row(
    endpoint: (&'static str, &'static str),
    scope: &'static str,
    uri: &'static str,
    body: &'static str,
    own: (u16, &'static str),
) -> Row {
    let (method, path) = endpoint;
    Row { method, path, scope: Some(scope), uri, body, own, operator: None, bound: Reach::Nothing }
}

const fn open(path: &'static str, status: u16) -> Row {
    let own = (status, "");
    Row { method: "GET", path, scope: None, uri: path, body: "", own, operator: None, bound: Reach::Shown }
}

/// Only the operator may; who administers a tenant is told so.
const fn operated(
    endpoint: (&'static str, &'static str),
    uri: &'static str,
    body: &'static str,
    operator: (u16, &'static str),
) -> Row {
    Row { operator: Some(operator), ..row(endpoint, "admin", uri, body, (403, "not-the-operator")) }
}

const DEPLOY: &str = r#"{"tenant":"{t}","manifest":{"name":"f"},"component":"DIGEST"}"#;
const FUNCTION: &str = "/v1/functions/{name}";
const TRAFFIC: &str = "/v1/functions/{name}/traffic";
const SHARED: &str = r#"{"parts":[{"version":1,"percent":100}]}"#;
const MODEL: &str = "/v1/models/{name}";
const LABEL: &str = "/v1/models/{name}/labels/{label}";
const PIN: &str = "/v1/models/{name}/pin";
const GRANT: &str = "/v1/models/{name}/grants/{to}";
const SECRET: &str = "/v1/secrets/{name}";
const TENANT: &str = "/v1/tenants/{name}";

/// In this order; the operator's last request removes the tenant.
const TABLE: &[Row] = &[
    open("/healthz", 200),
    open("/readyz", 503),
    open("/metrics", 200),
    open("/openapi.json", 200),
    row(("GET", "/v1/server"), "read", "/v1/server", "", (200, "")).bound(Reach::Shown),
    row(("POST", "/v1/blobs"), "deploy", "/v1/blobs?tenant={t}", "bytes", (201, "")).bound(Reach::Shown),
    row(("GET", "/v1/functions"), "read", "/v1/functions?tenant={t}", "", (200, "")).bound(Reach::Shown),
    row(("POST", "/v1/functions"), "deploy", "/v1/functions", DEPLOY, (422, "no-blob")).bound(Reach::Named),
    row(("GET", "/v1/functions/{name}"), "read", "/v1/functions/f?tenant={t}", "", (404, "no-function"))
        .bound(Reach::Named),
    row(("GET", "/v1/functions/{name}/logs"), "read", "/v1/functions/f/logs?tenant={t}", "", (404, "no-function"))
        .bound(Reach::Named),
    row(
        ("PUT", "/v1/functions/{name}/scale"),
        "deploy",
        "/v1/functions/f/scale?tenant={t}",
        r#"{"min":0}"#,
        (404, "no-function"),
    )
    .bound(Reach::Named),
    row(("DELETE", FUNCTION), "deploy", "/v1/functions/f?tenant={t}", "", (404, "no-function")).bound(Reach::Named),
    row(
        ("GET", "/v1/functions/{name}/versions"),
        "read",
        "/v1/functions/f/versions?tenant={t}",
        "",
        (404, "no-function"),
    )
    .bound(Reach::Named),
    row(
        ("POST", "/v1/functions/{name}/rollback"),
        "deploy",
        "/v1/functions/f/rollback?tenant={t}",
        "{}",
        (404, "no-function"),
    )
    .bound(Reach::Named),
    row(("GET", TRAFFIC), "read", "/v1/functions/f/traffic?tenant={t}", "", (404, "no-function")).bound(Reach::Named),
    row(("PUT", TRAFFIC), "deploy", "/v1/functions/f/traffic?tenant={t}", SHARED, (404, "no-function"))
        .bound(Reach::Named),
    row(("DELETE", TRAFFIC), "deploy", "/v1/functions/f/traffic?tenant={t}", "", (404, "no-function"))
        .bound(Reach::Named),
    row(
        ("POST", "/v1/restore"),
        "deploy",
        "/v1/restore?tenant={t}",
        r#"{"at":"1s","dry_run":true}"#,
        (422, "before-history"),
    ),
    row(("GET", "/v1/export"), "admin", "/v1/export?tenant={t}", "", (200, "")),
    row(("POST", "/v1/import"), "admin", "/v1/import?tenant={t}", "", (422, "bad-archive")),
    row(("GET", "/v1/models"), "read", "/v1/models?tenant={t}", "", (200, "")).bound(Reach::Shown),
    row(("GET", MODEL), "read", "/v1/models/m?tenant={t}", "", (404, "no-model")).bound(Reach::Named),
    row(("PUT", MODEL), "deploy", "/v1/models/m?tenant={t}", "{}", (503, "unavailable")).bound(Reach::Named),
    row(("DELETE", MODEL), "deploy", "/v1/models/m?tenant={t}", "", (404, "no-model")).bound(Reach::Named),
    row(("PUT", LABEL), "deploy", "/v1/models/m/labels/l?tenant={t}", r#"{"version":"1"}"#, (404, "no-model"))
        .bound(Reach::Named),
    row(("DELETE", LABEL), "deploy", "/v1/models/m/labels/l?tenant={t}", "", (404, "no-model")).bound(Reach::Named),
    row(("PUT", PIN), "deploy", "/v1/models/m/pin?tenant={t}", "", (503, "unavailable")).bound(Reach::Named),
    row(("DELETE", PIN), "deploy", "/v1/models/m/pin?tenant={t}", "", (503, "unavailable")).bound(Reach::Named),
    row(("POST", "/v1/models/{name}/unload"), "deploy", "/v1/models/m/unload?tenant={t}", "", (503, "unavailable"))
        .bound(Reach::Named),
    row(
        ("POST", "/v1/models/{name}/optimize"),
        "deploy",
        "/v1/models/m/optimize?tenant={t}",
        r#"{"precision":"int8"}"#,
        (503, "unavailable"),
    )
    .bound(Reach::Named),
    row(("GET", "/v1/models/{name}/grants"), "read", "/v1/models/m/grants?tenant={t}", "", (404, "no-model"))
        .bound(Reach::Named),
    row(("PUT", GRANT), "admin", "/v1/models/m/grants/delta?tenant={t}", "{}", (404, "no-model")),
    row(("DELETE", GRANT), "admin", "/v1/models/m/grants/delta?tenant={t}", "", (404, "no-model")),
    row(("GET", "/v1/keys"), "admin", "/v1/keys?tenant={t}", "", (200, "")),
    row(("POST", "/v1/keys"), "admin", "/v1/keys", r#"{"tenant":"{t}","scopes":["read"]}"#, (201, "")),
    row(("GET", "/v1/keys/{id}"), "admin", "/v1/keys/none?tenant={t}", "", (404, "no-key")),
    row(("POST", "/v1/keys/{id}/rotate"), "admin", "/v1/keys/none/rotate?tenant={t}", "{}", (404, "no-key")),
    row(("DELETE", "/v1/keys/{id}"), "admin", "/v1/keys/none?tenant={t}", "", (404, "no-key")),
    row(("GET", "/v1/secrets"), "read", "/v1/secrets?tenant={t}", "", (200, "")),
    row(("GET", SECRET), "read", "/v1/secrets/none?tenant={t}", "", (404, "no-secret")),
    row(("PUT", SECRET), "deploy", "/v1/secrets/s?tenant={t}", "", (400, "bad-request")),
    row(("DELETE", SECRET), "deploy", "/v1/secrets/none?tenant={t}", "", (404, "no-secret")),
    operated(("POST", "/v1/secret-key/rotate"), "/v1/secret-key/rotate", "", (200, "")),
    row(("GET", "/v1/audit"), "admin", "/v1/audit?tenant={t}", "", (200, "")),
    operated(("GET", "/v1/audit/verify"), "/v1/audit/verify", "", (200, "")),
    row(("GET", "/v1/tenants"), "read", "/v1/tenants", "", (200, "")),
    operated(("POST", "/v1/tenants"), "/v1/tenants", r#"{"name":"new"}"#, (201, "")),
    row(("GET", TENANT), "read", "/v1/tenants/{t}", "", (200, "")),
    operated(("PATCH", "/v1/tenants/{name}/limits"), "/v1/tenants/{t}/limits", r#"{"functions":1}"#, (200, "")),
    operated(
        ("PATCH", "/v1/tenants/{name}/claims"),
        "/v1/tenants/{t}/claims",
        r#"{"add_hosts":["new.example"]}"#,
        (200, ""),
    ),
    row(("GET", "/v1/usage"), "read", "/v1/usage?tenant={t}", "", (200, "")),
    operated(("DELETE", TENANT), "/v1/tenants/{t}", "", (200, "")),
];

impl Row {
    const fn bound(self, bound: Reach) -> Self {
        Self { bound, ..self }
    }

    /// Whether a key reaches it that has all scopes it can have and is bound, to what the request names or to something else.
    fn is_reached(&self, is_named: bool) -> bool {
        self.scope != Some("admin") && (self.bound == Reach::Shown || self.bound == Reach::Named && is_named)
    }

    /// What such a key is told of what it does not reach.
    fn out_of_reach(&self) -> (u16, &'static str) {
        match self.bound {
            Reach::Named if self.scope == Some("admin") || self.path == "/v1/functions" => (403, "forbidden"),
            Reach::Named if self.path.starts_with(FUNCTION) => (404, "no-function"),
            Reach::Named => (404, "no-model"),
            Reach::Nothing | Reach::Shown => (403, "forbidden"),
        }
    }

    fn names_tenant(&self) -> bool {
        self.uri.contains("{t}") || self.body.contains("{t}")
    }

    /// Another tenant, and one that does not exist, are the same to who has this key.
    async fn has_no_other_tenant(&self, host: &Host, key: Option<&str>, what: &str) {
        if self.names_tenant() {
            let (other, none) = (self.send(host, key, "beta").await, self.send(host, key, "ghost").await);
            assert_eq!((other.0, other.1.as_str()), (404, "no-tenant"), "{what}: {}", other.2);
            assert_eq!(other, none, "{what}: the same answer, and the store is asked the same");
        }
    }

    /// Sends the request, with a tenant in its place; the status, the code, the body, and how often the store was asked.
    async fn send(&self, host: &Host, key: Option<&str>, tenant: &str) -> (u16, String, String, u64) {
        let fill = |text: &str| text.replace("{t}", tenant).replace("DIGEST", &Digest::of(b"absent").to_string());
        let before = host.store.accesses();
        let (status, text) = host.send_with(key, self.method, &fill(self.uri), fill(self.body)).await;
        let asked = host.store.accesses() - before;
        let code = serde_json::from_str::<serde_json::Value>(&text).ok();
        let code = code.and_then(|problem| Some(problem["code"].as_str()?.to_owned())).unwrap_or_default();
        (status.as_u16(), code, text.replace(tenant, "{t}"), asked)
    }
}

const SCOPES: [&str; 4] = ["admin", "deploy", "invoke", "read"];

#[tokio::test]
async fn every_endpoint_for_every_scope_and_every_tenant() {
    let host = Host::start();
    host.control.load().await.unwrap();
    for tenant in ["acme", "beta", "gamma", "delta", "zeta"] {
        let body = format!(r#"{{"name":"{tenant}","paths":["/{tenant}"]}}"#);
        assert_eq!(host.ask("POST", "/v1/tenants", body).await.0.as_u16(), 201);
    }
    let mut callers = Vec::new();
    for scope in SCOPES {
        callers.push((scope, "key", host.make_key("acme", &[scope]).await));
        callers.push((scope, "token", token("acme", scope)));
    }
    host.settled().await;
    for row in TABLE {
        let what = format!("{} {}", row.method, row.path);
        let (status, code, ..) = row.send(&host, None, "acme").await;
        let Some(needed) = row.scope else {
            assert_eq!((status, code.as_str()), row.own, "{what}");
            continue;
        };
        assert_eq!((status, code.as_str()), (401, "unauthorized"), "{what}");
        for (scope, kind, secret) in &callers {
            let (what, key) = (format!("{what} {kind} {scope}"), Some(secret.as_str()));
            let own = row.send(&host, key, "acme").await;
            if *scope != needed && *scope != "admin" {
                assert_eq!((own.0, own.1.as_str()), (403, "forbidden"), "{what}");
                let other = row.send(&host, key, "beta").await;
                assert_eq!(other, own, "{what}: nothing was looked at");
                continue;
            }
            assert_eq!((own.0, own.1.as_str()), row.own, "{what}: {}", own.2);
            row.has_no_other_tenant(&host, key, &what).await;
        }
    }
    for (operator, theirs) in [(host.key.clone(), "gamma"), (token("default", "admin"), "zeta")] {
        for row in TABLE.iter().filter(|row| row.scope.is_some()) {
            let what = format!("operator: {} {}", row.method, row.path);
            let none = row.send(&host, Some(&operator), "ghost").await;
            if row.names_tenant() {
                assert_eq!((none.0, none.1.as_str()), (404, "no-tenant"), "{what}");
            }
            let theirs = row.send(&host, Some(&operator), theirs).await;
            let is_new = row.operator == Some((201, "")) && !row.names_tenant();
            let expected = if is_new { (409, "tenant-exists") } else { row.operator.unwrap_or(row.own) };
            assert_eq!((theirs.0, theirs.1.as_str()), expected, "{what}: {}", theirs.2);
        }
    }
}

#[tokio::test]
async fn every_endpoint_for_keys_that_are_bound() {
    let host = Host::start();
    host.control.load().await.unwrap();
    for tenant in ["acme", "beta", "delta"] {
        assert_eq!(host.ask("POST", "/v1/tenants", format!(r#"{{"name":"{tenant}"}}"#)).await.0.as_u16(), 201);
    }
    let scopes = ["deploy", "invoke", "read"];
    let named = host.make_bound_key("acme", &scopes, &["f"], &["m"]).await;
    let others = host.make_bound_key("acme", &scopes, &["g"], &["n"]).await;
    host.settled().await;
    for row in TABLE.iter().filter(|row| row.scope.is_some()) {
        for (is_named, key) in [(true, &named), (false, &others)] {
            let what = format!("{} {}, bound to it: {is_named}", row.method, row.path);
            let own = row.send(&host, Some(key), "acme").await;
            if row.is_reached(is_named) {
                assert_eq!((own.0, own.1.as_str()), row.own, "{what}: {}", own.2);
                row.has_no_other_tenant(&host, Some(key), &what).await;
                continue;
            }
            assert_eq!((own.0, own.1.as_str()), row.out_of_reach(), "{what}: {}", own.2);
            let (other, none) = (row.send(&host, Some(key), "beta").await, row.send(&host, Some(key), "ghost").await);
            assert_eq!(other, none, "{what}: another tenant is as one that does not exist");
        }
    }
}

#[tokio::test]
async fn a_claim_is_compared_with_functions_that_could_not_be_loaded_too() {
    let host = Host::start();
    let owner: modelet_spec::TenantName = "default".parse().unwrap();
    host.stores_function(&owner, "gone", r#"{"name":"gone","route":[{"path":"/taken/{x}"}]}"#);
    host.control.load().await.unwrap();
    let (_, text) = host.send_with(None, "GET", "/readyz", String::new()).await;
    assert!(text.contains("gone"), "it does not serve: {text}");
    let make = |paths: &str| format!(r#"{{"name":"acme","paths":[{paths}]}}"#);
    let (status, code, detail) = host.refused("POST", "/v1/tenants", make(r#""/taken""#)).await;
    assert_eq!((status, code.as_str()), (409, "claim-taken"), "{detail}");
    assert_eq!(host.ask("POST", "/v1/tenants", make(r#""/free""#)).await.0.as_u16(), 201);
    let taken = r#"{"add_paths":["/taken"]}"#;
    let (status, code, _) = host.refused("PATCH", "/v1/tenants/acme/claims", taken).await;
    assert_eq!((status, code.as_str()), (409, "claim-taken"));
    // Nor is one taken back that a function which does not serve has a route under.
    host.stores_function(&"acme".parse().unwrap(), "own", r#"{"name":"own","route":[{"path":"/free/x"}]}"#);
    let (status, code, detail) =
        host.refused("PATCH", "/v1/tenants/acme/claims", r#"{"remove_paths":["/free"]}"#).await;
    assert_eq!((status, code.as_str()), (409, "claim-in-use"), "{detail}");
    assert!(detail.contains("the functions own"), "{detail}");
}

#[tokio::test]
async fn who_is_given_nothing_is_compared_with_nothing() {
    let host = Host::start();
    host.control.load().await.unwrap();
    host.settled().await;
    let mut asked = Vec::new();
    for body in [r#"{"name":"acme","paths":["/acme"]}"#, r#"{"name":"beta"}"#] {
        let before = host.store.accesses();
        assert_eq!(host.ask("POST", "/v1/tenants", body).await.0.as_u16(), 201);
        asked.push(host.store.accesses() - before);
    }
    assert!(asked[1] < asked[0], "all that is live is read for claims alone: {asked:?}");
}

#[tokio::test]
async fn the_table_has_every_endpoint_of_the_document() {
    let host = Host::start();
    let (_, text) = host.send_with(None, "GET", "/openapi.json", String::new()).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    let documented: BTreeSet<(String, String)> = operations.collect();
    let tabled: BTreeSet<(String, String)> =
        TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(documented, tabled);
    assert_eq!(tabled.len(), TABLE.len(), "an endpoint stands twice");
}

#[tokio::test]
async fn another_tenants_things_are_as_those_that_do_not_exist() {
    let host = Host::start();
    host.control.load().await.unwrap();
    for tenant in ["acme", "beta"] {
        assert_eq!(host.ask("POST", "/v1/tenants", format!(r#"{{"name":"{tenant}"}}"#)).await.0.as_u16(), 201);
    }
    let key = host.make_key("acme", &["admin"]).await;
    let theirs = host.things_of("beta").await;
    host.settled().await;
    for (method, there, nowhere) in [
        ("GET", format!("/v1/models/{}", theirs.model), "/v1/models/nothing"),
        ("DELETE", format!("/v1/models/{}", theirs.model), "/v1/models/nothing"),
        ("GET", format!("/v1/functions/{}", theirs.function), "/v1/functions/nothing"),
        ("GET", format!("/v1/functions/{}/logs", theirs.function), "/v1/functions/nothing/logs"),
        ("GET", format!("/v1/functions/{}/traffic", theirs.function), "/v1/functions/nothing/traffic"),
        ("GET", format!("/v1/keys/{}", theirs.key), "/v1/keys/nothing"),
        ("DELETE", format!("/v1/keys/{}", theirs.key), "/v1/keys/nothing"),
    ] {
        let mut answers = Vec::new();
        for uri in [there.as_str(), nowhere] {
            let before = host.store.accesses();
            let (status, text) = host.send_with(Some(&key), method, uri, String::new()).await;
            let name = uri.split('/').nth(3).unwrap();
            answers.push((status.as_u16(), text.replace(name, "NAME"), host.store.accesses() - before));
        }
        assert_eq!(answers[0].0, 404, "{method} {there}: {}", answers[0].1);
        assert_eq!(answers[0], answers[1], "{method} {there}");
    }
}
