//! What served at an earlier moment, and back to it.

use modelet_tests::wait::moment;
use modelet_tests::{Function, TestHost, nn, places, tenants};
use serde_json::{Value, json};

fn deploy(host: &TestHost, name: &str, guest: &str) {
    let route = format!("path = \"/{name}\"\nauth = \"none\"");
    host.deploy(&Function::guest(guest).named(name).route(&route));
}

fn push(host: &TestHost, file: &str, label: Option<&str>) {
    let file = places::model(file).display().to_string();
    let mut arguments = vec!["model", "push", &file, "--name", "m"];
    arguments.extend(label.into_iter().flat_map(|label| ["--label", label]));
    host.modelet(arguments).done();
}

/// All that goes back, as listings say it, without what is of the moment of the question.
fn state(host: &TestHost, at: Option<&str>) -> Value {
    let asked = |arguments: &[&str]| {
        let at = at.into_iter().flat_map(|at| ["--at", at]);
        host.modelet(arguments.iter().copied().chain(at).chain(["--json"])).json()
    };
    let functions = asked(&["function", "list"]);
    let pick = |of: &Value, keys: &[&str]| keys.iter().map(|key| of[*key].clone()).collect::<Value>();
    let function = |of: &Value| pick(of, &["name", "version", "digest", "routes", "models", "percent", "traffic"]);
    let model = |of: &Value| pick(of, &["name", "version", "digest", "labels", "files"]);
    let list = |of: &Value, key: &str, view: &dyn Fn(&Value) -> Value| -> Vec<Value> {
        of[key].as_array().unwrap().iter().map(view).collect()
    };
    let models = asked(&["model", "list"]);
    let versions =
        if models["models"] == json!([]) { json!({ "versions": [] }) } else { asked(&["model", "versions", "m"]) };
    json!([
        list(&functions, "functions", &function),
        list(&models, "models", &model),
        list(&versions, "versions", &model)
    ])
}

#[test]
fn listings_answer_for_any_moment_what_they_answered_then() {
    let mut host = TestHost::start();
    let mut moments = vec![(moment(), state(&host, None))];
    let mut remember = |host: &TestHost, done: &dyn Fn()| {
        done();
        moments.push((moment(), state(host, None)));
    };
    remember(&host, &|| deploy(&host, "f", "hello"));
    remember(&host, &|| push(&host, "digits", Some("stable")));
    remember(&host, &|| deploy(&host, "f", "status"));
    remember(&host, &|| push(&host, "identity_f32", Some("stable")));
    remember(&host, &|| drop(host.modelet(["traffic", "f", "1=30", "2=70", "--sticky", "x-user"]).done()));
    remember(&host, &|| deploy(&host, "g", "echo"));
    remember(&host, &|| drop(host.modelet(["model", "remove", "m@1"]).done()));
    remember(&host, &|| drop(host.modelet(["rollback", "f", "--to", "1"]).done()));
    remember(&host, &|| drop(host.modelet(["function", "remove", "g"]).done()));
    remember(&host, &|| drop(host.modelet(["function", "remove", "f", "--version", "2"]).done()));
    for (moment, then) in &moments {
        assert_eq!(state(&host, Some(moment)), *then, "{moment}");
    }
    host.restart();
    for (moment, then) in &moments {
        assert_eq!(state(&host, Some(moment)), *then, "{moment}, after a restart");
    }
    let versions = host.modelet(["function", "versions", "f", "--at", &moments[5].0, "--json"]).json();
    let parts: Vec<_> =
        versions["versions"].as_array().unwrap().iter().map(|v| (&v["version"], &v["percent"])).collect();
    assert_eq!(parts, [(&json!(2), &json!(70)), (&json!(1), &json!(30))]);
    assert!(host.modelet(["function", "show", "g", "--at", &moments[1].0]).refused().contains("no function"));
    host.stop();
}

#[test]
fn one_command_goes_back_and_one_more_forward_again() {
    let mut host = TestHost::start();
    push(&host, "digits", Some("stable"));
    host.deploy(&Function::guest("nn").route("path = \"/old\"\nauth = \"none\"").model_ref("digits", "m@stable"));
    deploy(&host, "g", "hello");
    host.modelet(["traffic", "g", "1=100"]).done();
    deploy(&host, "g", "status");
    host.modelet(["traffic", "g", "1=50", "2=50", "--sticky", "x"]).done();
    let (before, then) = (moment(), state(&host, None));
    push(&host, "identity_f32", Some("stable"));
    host.deploy(&Function::guest("nn").route("path = \"/new\"\nauth = \"none\"").model_ref("m", "m@stable"));
    host.modelet(["rollback", "g", "--to", "2"]).done();
    host.modelet(["function", "remove", "g", "--version", "1"]).done();
    deploy(&host, "late", "hello");
    host.modelet(["model", "remove", "m@1", "--force"]).done();
    let (after, now_state) = (moment(), state(&host, None));

    let said = host.modelet(["restore", "--at", &before, "--dry-run"]).done();
    assert!(said.contains("nothing is done yet") && said.contains("function late: version 1 -> nothing"), "{said}");
    assert_eq!(state(&host, None), now_state);
    let said = host.modelet(["restore", "--at", &before]).done();
    assert!(said.contains("all is as it was"), "{said}");
    for _ in 0..2 {
        assert_eq!(state(&host, None), then);
        assert_eq!((host.get("/late").status, host.get("/new").status), (404, 404));
        let picture = vec![nn::part("X", modelet_tests::frame::Kind::Fp32, &[1, 64], vec![0; 256])];
        assert_eq!(nn::compute(&host, "/old", "digits", picture).unwrap().len(), 2, "the removed model is there again");
        host.restart();
    }
    let nothing = host.modelet(["restore", "--at", &before, "--json"]).json();
    assert_eq!((&nothing["changes"], &nothing["missing"]), (&json!([]), &json!([])));
    host.modelet(["restore", "--at", &after]).done();
    assert_eq!(state(&host, None), now_state, "it is a change like others");
    assert_eq!((host.get("/late").status, host.get("/old").status), (200, 404));
    deploy(&host, "g", "hello");
    assert_eq!(host.modelet(["function", "show", "g", "--json"]).json()["version"], 3, "numbers go on");
    host.stop();
}

#[test]
fn it_goes_back_for_one_tenant_and_is_refused_whole_where_a_route_is_taken() {
    let host = TestHost::start();
    deploy(&host, "f", "hello");
    let before = moment();
    host.modelet(["function", "remove", "f"]).done();
    tenants::create(&host, "acme", &["/f"]);
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    Function::guest("echo").named("theirs").route("path = \"/f\"\nauth = \"none\"").lay(folder.path());
    let path = folder.path().display().to_string();
    host.modelet(["deploy", &path, "--tenant", "acme"]).done();
    push(&host, "digits", None);
    let state_now = state(&host, None);
    let line = host.modelet(["restore", "--at", &before]).refused();
    assert!(line.contains("/f") && line.contains("tenant"), "{line}");
    assert_eq!(state(&host, None), state_now);
    host.modelet(["tenant", "remove", "acme", "--force"]).done();
    host.modelet(["restore", "--at", &before]).done();
    assert_eq!(host.get("/f").ok().text(), "hello\n");
    host.stop();
}

#[test]
fn keys_scales_and_what_functions_keep_do_not_go_back() {
    let host = TestHost::start();
    deploy(&host, "pairs", "pairs");
    let before = moment();
    let _ = host.get("/pairs?do=set&bucket=b&key=k&value=v").ok();
    host.modelet(["function", "scale", "pairs", "--min", "1"]).done();
    deploy(&host, "pairs", "pairs");
    let key = host.key();
    host.modelet(["restore", "--at", &before]).done();
    assert_eq!(host.key(), key);
    assert_eq!(host.get("/pairs?do=get&bucket=b&key=k").ok().json(), json!({ "ok": "v" }));
    let shown = host.modelet(["function", "show", "pairs", "--json"]).json();
    assert_eq!(shown["version"], 1);
    host.stop();
}

#[test]
fn what_is_too_long_ago_or_to_come_or_no_time_is_refused() {
    let host = TestHost::configured("[server]\nhistory = \"1h\"\n");
    deploy(&host, "f", "hello");
    let line = host.modelet(["function", "list", "--at", "2h"]).refused();
    assert!(line.contains("longer ago than the history") && line.contains("(before-history)"), "{line}");
    assert!(host.modelet(["restore", "--at", "2099-01-01T00:00:00Z"]).refused().contains("yet to come"));
    assert_eq!(host.modelet(["function", "list", "--at", "yesterday"]).status, Some(2));
    host.admin("GET", "/v1/functions?at=yesterday", b"").problem(400, "bad-request");
    assert_eq!(host.modelet(["function", "list", "--at", "59m", "--json"]).json()["functions"], json!([]));
    host.stop();
}
