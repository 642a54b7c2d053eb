//! Versions whose models are gone: they do not come back to serve, and the model is named.

use modelet_tests::tenants::{create, deploy};
use modelet_tests::wait::moment;
use modelet_tests::{Function, TestHost, places, process, until};
use serde_json::{Value, json};
use std::fs;

/// A function that means `reference` by `m`, in two versions: the first with a model of its own, too.
fn two_versions(host: &TestHost, tenant: &str, first: &str) {
    let route = format!("path = \"/{tenant}/f\"\nauth = \"none\"");
    let of = |guest: &str| Function::guest(guest).named("f").route(&route);
    deploy(host, tenant, &of("hello").model_ref("m", first));
    deploy(host, tenant, &of("status"));
}

fn push(host: &TestHost, tenant: &str, file: &str) {
    let file = places::model(file).display().to_string();
    host.modelet(["model", "push", &file, "--name", "m", "--tenant", tenant]).done();
}

#[test]
fn a_version_whose_model_was_removed_or_is_granted_no_longer_does_not_serve_again() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    create(&host, "beta", &["/beta"]);
    push(&host, "acme", "digits");
    push(&host, "acme", "identity_f32");
    host.modelet(["model", "grant", "m", "--to", "beta", "--tenant", "acme"]).done();
    two_versions(&host, "acme", "m@1");
    two_versions(&host, "beta", "acme/m@1");
    let refused = |tenant: &str, model: &str| {
        for arguments in [
            &["rollback", "f"][..],
            &["rollback", "f", "--to", "1"],
            &["traffic", "f", "1=50", "2=50"],
            &["traffic", "f", "2=100", "--shadow", "1"],
        ] {
            let line = host.modelet(arguments.iter().chain(&["--tenant", tenant])).refused();
            let expected = format!("version 1 of `f` needs the model `{model}`");
            assert!(line.contains(&expected) && line.contains("(model-gone)"), "{arguments:?}: {line}");
        }
        assert_eq!(host.get(&format!("/{tenant}/f")).ok().text(), "status 200\n", "nothing has changed");
    };
    host.modelet(["model", "revoke", "m", "--to", "beta", "--tenant", "acme"]).done();
    refused("beta", "acme/m@1");
    host.modelet(["model", "grant", "m", "--to", "beta", "--tenant", "acme"]).done();
    host.modelet(["rollback", "f", "--tenant", "beta"]).done();
    assert_eq!(host.get("/beta/f").ok().text(), "hello\n", "with the grant it may");
    host.modelet(["rollback", "f", "--to", "2", "--tenant", "beta"]).done();
    host.modelet(["model", "remove", "m@1", "--force", "--tenant", "acme"]).done();
    refused("acme", "m@1");
    refused("beta", "acme/m@1");
    host.stop();
}

#[test]
fn a_restore_leaves_a_function_whose_model_is_gone_as_it_is_and_names_the_model() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    create(&host, "beta", &["/beta"]);
    push(&host, "acme", "digits");
    host.modelet(["model", "grant", "m", "--to", "beta", "--tenant", "acme"]).done();
    let route = "path = \"/beta/f\"\nauth = \"none\"";
    deploy(&host, "beta", &Function::guest("hello").named("f").route(route).model_ref("m", "acme/m"));
    let then = moment();
    deploy(&host, "beta", &Function::guest("status").named("f").route(route));
    host.modelet(["model", "remove", "m", "--force", "--tenant", "acme"]).done();
    let restored = host.modelet(["restore", "--at", &then, "--tenant", "beta", "--json"]).json();
    let missing = restored["missing"].to_string();
    assert!(missing.contains("function f") && missing.contains("acme/m@1 of version 1 is gone"), "{restored}");
    assert_eq!(restored["changes"], json!([]));
    assert_eq!(host.get("/beta/f").ok().text(), "status 200\n");
    host.stop();
}

#[test]
fn a_model_that_comes_with_a_deploy_is_there_when_the_function_is_and_never_without_it() {
    let mut host = TestHost::start();
    // Its case is never answered: between the model's trial and the end of the deploy there is time.
    let case = "[limits]\ntime = \"3s\"\n[[case]]\nrequest = { path = \"/\" }\nexpect = { status = 200 }\n";
    let slow = Function::guest("sleep").model_file("comes", &places::model("digits")).with(case);
    let models = |host: &TestHost| host.modelet(["model", "list", "--json"]).json()["models"].clone();
    let is_tried = |host: &TestHost| {
        fs::read_dir(host.data_dir().join("optimised")).is_ok_and(|mut entries| entries.next().is_some())
    };
    std::thread::scope(|scope| {
        let deploying = scope.spawn(|| host.try_deploy(&slow));
        while !deploying.is_finished() {
            assert_eq!(models(&host), json!([]), "while it is deployed");
        }
        assert!(deploying.join().unwrap().refused().contains("case-failed"));
    });
    assert!(is_tried(&host), "it had come as far as the model's trial");
    assert_eq!(models(&host), json!([]), "after it was refused");

    fs::remove_dir_all(host.data_dir().join("optimised")).unwrap();
    fs::create_dir(host.data_dir().join("optimised")).unwrap();
    std::thread::scope(|scope| {
        let deploying = scope.spawn(|| host.try_deploy(&slow));
        until("the model has stood its trial", || is_tried(&host).then_some(()));
        for _ in 0..5 {
            assert_eq!(models(&host), json!([]));
        }
        process::signal(host.pid, "KILL");
        assert_eq!(deploying.join().unwrap().status, Some(1));
    });
    host.after_kill();
    assert_eq!(models(&host), json!([]), "after a kill");
    assert_eq!(host.modelet(["function", "list", "--json"]).json()["functions"], json!([]));

    host.deploy(&Function::guest("nn").named("whole").model_file("comes", &places::model("digits")));
    let listed: Value = models(&host);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["version"]),
        (&json!("comes"), &json!(1)),
        "no number was used: {listed}"
    );
    let other = Function::guest("nn").named("whole").model_file("comes", &places::model("dynamic_batch"));
    host.deploy(&other);
    host.deploy(&other);
    let shown = host.modelet(["function", "show", "whole", "--json"]).json();
    assert_eq!((&shown["version"], &shown["models"][0]["version"]), (&json!(3), &json!(2)), "{shown}");
    let series = host.metrics();
    assert!(!series.lines("modelet_model_requests_total").contains("version=\"3\""), "{}", series.text);
    host.stop();
}
