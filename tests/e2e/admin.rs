//! The admin API: its key, its description, its health, its figures.

use modelet_tests::{Function, TestHost, shared};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn without_its_key_the_admin_api_answers_401() {
    let host = shared();
    for (method, path) in [
        ("GET", "/v1/functions"),
        ("POST", "/v1/functions"),
        ("GET", "/v1/functions/hello"),
        ("GET", "/v1/models"),
        ("PUT", "/v1/models/x"),
        ("POST", "/v1/models/x/optimize"),
        ("POST", "/v1/blobs"),
        ("GET", "/v1/server"),
    ] {
        let answer = host.admin_bare(method, path);
        let _ = answer.problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
    }
    let _ = host.admin_as("wrong", "GET", "/v1/functions", b"").problem(401, "unauthorized");
}

#[test]
fn health_readiness_figures_and_description_are_open() {
    let host = shared();
    assert_eq!(host.admin_bare("GET", "/healthz").status, 200);
    let ready = host.admin_bare("GET", "/readyz").ok().json();
    assert_eq!(
        (&ready["ready"], &ready["missing"], &ready["failed"]),
        (&true.into(), &Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(host.admin_bare("GET", "/metrics").status, 200);
    assert_eq!(host.admin_bare("GET", "/openapi.json").status, 200);
}

#[test]
fn the_description_has_every_route_of_the_api() {
    let host = shared();
    let described = host.admin_bare("GET", "/openapi.json").ok().json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{described}");
    let operations: BTreeSet<String> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    for route in [
        "post /v1/blobs",
        "put /v1/models/{name}",
        "post /v1/models/{name}/optimize",
        "get /v1/models",
        "get /v1/models/{name}",
        "delete /v1/models/{name}",
        "put /v1/models/{name}/labels/{label}",
        "delete /v1/models/{name}/labels/{label}",
        "post /v1/functions",
        "get /v1/functions",
        "get /v1/functions/{name}",
        "get /healthz",
        "get /readyz",
        "get /metrics",
    ] {
        assert!(operations.contains(route), "{route} is not described: {operations:?}");
    }
    // And everything described is there: nothing answers 404 or 405 for the path itself.
    for operation in &operations {
        let (method, path) = operation.split_once(' ').unwrap();
        let answer =
            host.admin(&method.to_uppercase(), &path.replace("{name}", "nobody").replace("{label}", "stable"), b"");
        let code = if answer.status == 200 { Value::Null } else { answer.json()["code"].clone() };
        assert!(code != "unknown-path" && code != "method-not-allowed", "{operation}: {}", answer.text());
    }
}

#[test]
fn every_schema_that_the_description_names_is_in_it() {
    let text = shared().admin_bare("GET", "/openapi.json").ok().text();
    let described: Value = serde_json::from_str(&text).unwrap();
    let schemas = described["components"]["schemas"].as_object().unwrap();
    let named: BTreeSet<&str> =
        text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!named.is_empty());
    for name in named {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn what_the_admin_api_does_not_understand_is_a_problem() {
    let host = shared();
    host.admin("GET", "/v1/nothing", b"").problem(404, "unknown-path");
    host.admin("DELETE", "/v1/functions", b"").problem(405, "method-not-allowed");
    host.admin("POST", "/v1/functions", b"not json").problem(400, "bad-request");
    host.admin("POST", "/v1/functions", b"{}").problem(400, "bad-request");
    host.admin("GET", "/v1/functions?tenat=x", b"").problem(400, "bad-request");
    host.admin("GET", "/v1/functions?tenant=nobody", b"").problem(404, "no-tenant");
    host.admin("GET", "/v1/functions/nobody", b"").problem(404, "no-function");
    host.admin("GET", "/v1/models/nobody", b"").problem(404, "no-model");
    host.put_bytes("/v1/models/bad", b"no onnx").problem(422, "bad-model");
    host.admin("PUT", "/v1/models/bad", b"no json").problem(400, "bad-request");
    host.admin("PUT", "/v1/models/Bad%20Name", b"").problem(400, "bad-request");
}

#[test]
fn uploads_over_the_limit_are_413() {
    let host = TestHost::configured("[limits]\nmodel_bytes = \"1KiB\"\ncomponent_bytes = \"1KiB\"\n");
    host.put_bytes("/v1/models/big", &[0; 2000]).problem(413, "too-large");
    let blob = host.admin("POST", "/v1/blobs", &[0; 2000]);
    assert_eq!(blob.status, 413, "{}", blob.text());
    let line = host.try_deploy(&Function::guest("hello")).refused();
    assert!(line.contains("1024") || line.contains("1KiB"), "{line}");
    host.stop();
}

#[test]
fn metrics_have_the_names_of_the_contract() {
    let host = shared();
    let nn = host.once(&Function::guest("nn_loop").named("counted").model("digits"));
    assert_eq!(host.get(&format!("{nn}?n=1")).status, 200);
    assert_eq!(host.get("/nobody").status, 404);
    let metrics = host.metrics();
    for name in [
        "modelet_requests_total",
        "modelet_instances",
        "modelet_bytes_total",
        "modelet_rejected_total",
        "modelet_sessions",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ] {
        assert!(metrics.has(name), "{name} is not in {:?}", metrics.names());
    }
    for histogram in ["modelet_request_seconds", "modelet_stage_seconds"] {
        assert!(
            metrics.has(&format!("{histogram}_count")) && metrics.has(&format!("{histogram}_bucket")),
            "{histogram}"
        );
    }
    let counted =
        [("tenant", "default"), ("function", "counted"), ("version", "1"), ("status", "200"), ("reason", "answered")];
    assert_eq!(metrics.sum("modelet_requests_total", &counted), 1.0, "{}", metrics.lines("modelet_requests"));
    assert!(metrics.sum("modelet_stage_seconds_count", &[("stage", "guest")]) >= 1.0);
    for resource in ["connections", "concurrency", "instances", "warm_memory", "inference_memory"] {
        let taken = metrics.samples.iter().find(|sample| {
            sample.name == "modelet_utilization_ratio" && sample.labels.get("resource").is_some_and(|r| r == resource)
        });
        let taken = taken.unwrap_or_else(|| panic!("{resource}: {}", metrics.lines("modelet_utilization_ratio")));
        assert!((0.0..=1.0).contains(&taken.value), "{taken:?}");
    }
}

#[test]
fn no_client_can_make_a_series() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    assert_eq!(host.get(&hello).status, 200);
    assert_eq!(host.get("/unknown").status, 404);
    let series = |host: &TestHost| host.metrics().samples.len();
    let before = series(&host);
    for n in 0..50 {
        assert_eq!(host.get(&format!("/unknown-{n}")).status, 404);
        assert_eq!(host.send("GET", &format!("{hello}?n={n}"), &[("x-n", &n.to_string())], b"").status, 200);
    }
    assert_eq!(series(&host), before, "{}", host.metrics().text);
    host.stop();
}
