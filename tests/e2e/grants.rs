//! Grants: another tenant's model is there with one, and without one it is not even missed.

use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part, to_f32s};
use modelet_tests::tenants::{create, deploy, try_deploy};
use modelet_tests::{Function, TestHost, places};
use serde_json::{Value, json};
use std::fs;

/// A server where `acme` has the model `dynamic-batch`, and `beta` and `gamma` have nothing.
fn host() -> TestHost {
    let host = TestHost::start();
    for tenant in ["acme", "beta", "gamma"] {
        create(&host, tenant, &[&format!("/{tenant}")]);
    }
    let bytes = fs::read(places::model("dynamic_batch")).unwrap();
    let pushed = host.put_bytes("/v1/models/shared?tenant=acme&label=stable", &bytes);
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    host
}

/// A function that loads `m` anew in each request.
fn user(tenant: &str, reference: &str, batch: &str) -> Function {
    let route = format!("path = \"/{tenant}/f\"\nauth = \"none\"");
    let limits = "[limits]\ntime = \"60s\"\n[instances]\nreuse = \"request\"\n";
    Function::guest("nn").named("f").route(&route).model_ref("m", reference).with(&format!("{limits}{batch}"))
}

fn row(number: f32) -> Vec<modelet_tests::frame::Part<'static>> {
    vec![part("x", Kind::Fp32, &[1, 4], f32s(&[number; 4]))]
}

#[test]
fn a_granted_model_is_used_by_its_owners_name_and_is_gone_with_the_grant() {
    let mut host = host();
    let refused = |reference: &str| try_deploy(&host, "beta", &user("beta", reference, "")).refused();
    // Not granted, another model, another tenant: all the same.
    let missing = refused("acme/nothing");
    for reference in ["acme/shared", "ghost/shared", "gamma/shared", "acme/shared@7"] {
        let line = refused(reference);
        let plain = |text: &str, what: &str| text.replace(what, "REF").replace("--name shared", "--name NAME");
        let expected = missing.replace("acme/nothing", "REF").replace("--name nothing", "--name NAME");
        assert_eq!(plain(&line, reference), expected);
    }
    let line = host.modelet(["model", "grant", "nothing", "--to", "beta", "--tenant", "acme"]).refused();
    assert!(line.contains("no model `nothing`"), "{line}");
    let line = host.modelet(["model", "grant", "shared", "--to", "ghost", "--tenant", "acme"]).refused();
    assert!(line.contains("no tenant `ghost`"), "the operator is told: {line}");
    let said = host.modelet(["model", "grant", "shared", "--to", "beta", "--tenant", "acme"]).done();
    assert_eq!(said.trim(), "beta may use shared");

    deploy(&host, "beta", &user("beta", "acme/shared@stable", ""));
    assert_eq!(to_f32s(&compute(&host, "/beta/f", "m", row(1.0)).unwrap()[0].data), [4.0, 8.0, 12.0]);
    let shown = host.modelet(["function", "show", "f", "--tenant", "beta", "--json"]).json();
    assert_eq!((&shown["models"][0]["owner"], &shown["models"][0]["version"]), (&json!("acme"), &json!(1)), "{shown}");
    let listed = host.modelet(["model", "list", "--tenant", "beta", "--json"]).json();
    assert_eq!(listed["models"], json!([]));
    let granted = &listed["granted"][0];
    assert_eq!(
        (&granted["owner"], &granted["name"], &granted["labels"]),
        (&json!("acme"), &json!("shared"), &json!(["stable"]))
    );
    assert!(host.modelet(["model", "list", "--tenant", "beta"]).done().contains("acme/shared"));
    let others: Value = host.modelet(["model", "list", "--tenant", "gamma", "--json"]).json();
    assert_eq!(others.get("granted"), None, "{others}");
    // What it uses is on its own account; its owner's series tell of the owner's calls alone.
    let metrics = host.metrics();
    let seconds = metrics.sum("modelet_inference_seconds_total", &[("tenant", "beta"), ("model", "acme/shared")]);
    assert!(seconds > 0.0, "{}", metrics.lines("modelet_inference_seconds"));
    assert_eq!(metrics.sum("modelet_model_requests_total", &[("model", "acme/shared")]), 0.0);

    host.restart();
    assert!(compute(&host, "/beta/f", "m", row(1.0)).is_ok(), "a grant is kept");
    let said = host.modelet(["model", "revoke", "shared", "--to", "beta", "--tenant", "acme"]).done();
    assert!(said.contains("no longer"), "{said}");
    let refusal = compute(&host, "/beta/f", "m", row(1.0)).unwrap_err();
    assert_eq!((refusal.stage.as_str(), refusal.code.as_str()), ("load", "not-found"), "{refusal:?}");
    assert_eq!(refused_text(&host), missing.replace("nothing", "shared"));
    let line = host.modelet(["model", "revoke", "shared", "--to", "beta", "--tenant", "acme"]).refused();
    assert!(line.contains("not granted"), "{line}");
    host.modelet(["model", "grant", "shared", "--to", "beta", "--tenant", "acme"]).done();
    assert!(compute(&host, "/beta/f", "m", row(1.0)).is_ok(), "and it is there again without a deploy");
    // The owner may remove it whoever uses it by a grant, and is told of no function that is not its own.
    let removed = host.admin("DELETE", "/v1/models/shared?tenant=acme", b"");
    assert_eq!((removed.status, &removed.json()["functions"]), (200, &json!([])), "{}", removed.text());
    assert_eq!(compute(&host, "/beta/f", "m", row(1.0)).unwrap_err().code, "not-found");
    host.stop();
}

fn refused_text(host: &TestHost) -> String {
    try_deploy(host, "beta", &user("beta", "acme/shared", "")).refused()
}

#[test]
fn calls_of_two_tenants_share_a_run_only_if_the_grant_and_both_functions_say_so() {
    let host = host();
    let rule = |share: &str| format!("[batch]\nm = {{ max = 2, wait = \"300ms\", share = \"{share}\" }}\n");
    let grant = |to: &str, shared: bool| {
        let mut line = vec!["model", "grant", "shared", "--to", to, "--tenant", "acme"];
        line.extend(shared.then_some("--share-batch"));
        host.modelet(line).done();
    };
    grant("beta", false);
    deploy(&host, "acme", &user("acme", "shared", &rule("all")));
    deploy(&host, "beta", &user("beta", "acme/shared", &rule("all")));
    // Each sends one row at the same time; says in how many runs they were answered.
    let runs = |routes: [&str; 2]| {
        let count = || host.metrics().sum("modelet_model_runs_total", &[]);
        let before = count();
        std::thread::scope(|scope| {
            for (route, number) in routes.into_iter().zip([1.0, 2.0]) {
                let host = &host;
                scope.spawn(move || {
                    let got = compute(host, route, "m", row(number)).unwrap();
                    assert_eq!(to_f32s(&got[0].data), [4.0, 8.0, 12.0].map(|n| n * number), "its own answer");
                });
            }
        });
        count() - before
    };
    let both = ["/acme/f", "/beta/f"];
    // Loaded once, so that the two below find the model in memory.
    runs(both);
    assert_eq!(runs(both), 2.0, "the grant says nothing of it");
    grant("beta", true);
    // Two that come in one wait; on a busy machine they may miss each other.
    let met = (0..20).any(|_| runs(both) == 1.0);
    assert!(met, "both agree now");
    grant("beta", false);
    assert_eq!((runs(both), runs(both)), (2.0, 2.0), "from the next load on they do not");
    grant("beta", true);
    deploy(&host, "beta", &user("beta", "acme/shared", &rule("tenant")));
    assert_eq!(runs(both), 2.0, "the function says less");
    host.stop();
}

#[test]
fn strangers_with_the_same_bytes_share_no_run_whatever_their_functions_say() {
    let host = host();
    let bytes = fs::read(places::model("dynamic_batch")).unwrap();
    assert_eq!(host.put_bytes("/v1/models/own?tenant=gamma", &bytes).status, 201);
    let rule = "[batch]\nm = { max = 2, wait = \"300ms\", share = \"all\" }\n";
    deploy(&host, "acme", &user("acme", "shared", rule));
    deploy(&host, "gamma", &user("gamma", "own", rule));
    // Both share with beta, and not with each other.
    for (tenant, model) in [("acme", "shared"), ("gamma", "own")] {
        host.modelet(["model", "grant", model, "--to", "beta", "--tenant", tenant, "--share-batch"]).done();
    }
    let runs = || {
        let before = host.metrics().sum("modelet_model_runs_total", &[]);
        std::thread::scope(|scope| {
            for route in ["/acme/f", "/gamma/f"] {
                let host = &host;
                scope.spawn(move || compute(host, route, "m", row(1.0)).unwrap());
            }
        });
        host.metrics().sum("modelet_model_runs_total", &[]) - before
    };
    runs();
    assert_eq!((runs(), runs(), runs()), (2.0, 2.0, 2.0));
    host.stop();
}
