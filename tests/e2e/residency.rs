//! Models in memory, seen from outside: they go when idle, whoever keeps a handle; they are pinned and unloaded by hand; the
//! metrics and the listing say so.

use std::ffi::OsStr;

use modelet_tests::{Function, TestHost, until};

/// Models that are really in memory.
fn in_memory(host: &TestHost) -> f64 {
    host.metrics().sum("modelet_device_models", &[("device", "cpu")])
}

#[test]
fn an_idle_instance_that_keeps_its_model_does_not_keep_it_in_memory() {
    let host = TestHost::configured("[inference]\nidle = \"200ms\"\n");
    let warm = host.once(&Function::guest("nn_warm").model("digits").with("[instances]\nidle = \"10m\"\n"));
    let requests = |n: u64| {
        let answer = host.get(&warm).ok().json();
        assert_eq!((answer["requests"].as_u64(), answer["outputs"].as_u64()), (Some(n), Some(48)), "{answer}");
    };
    requests(1);
    assert_eq!(in_memory(&host), 1.0);
    until("the model goes", || (in_memory(&host) == 0.0).then_some(()));
    let metrics = host.metrics();
    assert_eq!(metrics.sum("modelet_instances", &[("function", "nn-warm"), ("state", "idle")]), 1.0);
    assert_eq!(metrics.sum("modelet_device_bytes", &[("state", "taken")]), 0.0);
    for sessions in ["modelet_sessions", "modelet_device_sessions"] {
        assert_eq!(metrics.sum(sessions, &[]), 0.0, "{sessions}");
    }
    // The same instance, with the same graph in its static: the model is loaded again.
    requests(2);
    let metrics = host.metrics();
    assert_eq!(metrics.sum("modelet_model_loads_total", &[("outcome", "done")]), 2.0, "{}", metrics.text);
    assert_eq!(metrics.sum("modelet_cold_starts_total", &[("function", "nn-warm"), ("level", "model")]), 2.0);
    assert_eq!(metrics.sum("modelet_cold_starts_total", &[("function", "nn-warm"), ("level", "instance")]), 1.0);
    host.stop();
}

#[test]
fn a_models_series_tell_of_its_use() {
    let host = TestHost::start();
    let warm = host.once(&Function::guest("nn_warm").model("digits"));
    for _ in 0..5 {
        assert_eq!(host.get(&warm).status, 200);
    }
    let metrics = host.metrics();
    let digits = |name: &str| metrics.sum(name, &[("model", "digits")]);
    let compute = [("model", "digits"), ("version", "1"), ("method", "compute")];
    assert_eq!(metrics.sum("modelet_model_requests_total", &compute), 5.0);
    assert!(metrics.sum("modelet_model_resident_bytes", &[("model", "digits"), ("device", "cpu")]) > 21_000.0);
    assert!(digits("modelet_inference_seconds_total") > 0.0, "{}", metrics.lines("modelet_inference"));
    for stage in ["load", "infer"] {
        assert!(metrics.sum("modelet_stage_seconds_count", &[("stage", stage)]) >= 1.0, "{stage}: {}", metrics.text);
    }
    assert_eq!(metrics.sum("modelet_stage_seconds_count", &[("stage", "infer")]), 5.0);
    assert!(metrics.sum("modelet_cold_start_seconds_count", &[("level", "model")]) >= 1.0);
    for name in ["modelet_sessions", "modelet_queue_depth", "modelet_batch_size_count"] {
        assert!(metrics.has(name), "no {name}: {:?}", metrics.names());
    }
    host.stop();
}

#[test]
fn a_pinned_model_outlasts_idle_time_and_restart_and_is_unloaded_by_force_only() {
    let mut host = TestHost::configured("[inference]\nidle = \"200ms\"\n");
    let file = modelet_tests::places::model("digits");
    host.modelet([
        OsStr::new("model"),
        OsStr::new("push"),
        file.as_os_str(),
        OsStr::new("--name"),
        OsStr::new("digits"),
    ])
    .done();
    let memory =
        |host: &TestHost| host.modelet(["model", "show", "digits", "--json"]).json()["versions"][0]["memory"].clone();
    assert_eq!((memory(&host)["resident"].clone(), memory(&host)["pinned"].clone()), (false.into(), false.into()));
    let pinned = host.modelet(["model", "pin", "digits", "--json"]).json()["memory"].clone();
    assert_eq!((&pinned["resident"], &pinned["pinned"], &pinned["loads"]), (&true.into(), &true.into(), &1.into()));
    assert!(pinned["resident_bytes"].as_u64().unwrap() > 21_000 && pinned["sessions"] == 1, "{pinned}");
    assert_eq!(pinned["device"], "cpu");

    // Another model comes and goes, so its idle time is over too.
    let other = host.once(&Function::guest("nn_warm").model("identity_f32"));
    assert_eq!(host.get(&format!("{other}?model=identity-f32&input=x&dims=4")).status, 200);
    until("the other goes", || (in_memory(&host) == 1.0).then_some(()));
    assert_eq!(memory(&host)["resident"], true);

    let refused = host.modelet(["model", "unload", "digits"]).refused();
    assert!(refused.contains("pinned") && refused.contains("--force"), "{refused}");
    host.restart();
    until("it is loaded again", || (memory(&host)["resident"] == true).then_some(()));
    assert_eq!(memory(&host)["pinned"], true);
    let listed = host.modelet(["model", "list"]).done();
    assert!(["pinned", "DEVICE", "LAST USE", "LOAD TIME"].iter().all(|word| listed.contains(word)), "{listed}");

    host.modelet(["model", "unload", "digits@1", "--force"]).done();
    assert_eq!((memory(&host)["resident"].clone(), in_memory(&host)), (false.into(), 0.0));
    host.modelet(["model", "pin", "digits", "--off"]).done();
    assert_eq!(memory(&host)["pinned"], false);
    let missing = host.modelet(["model", "pin", "nowhere"]).refused();
    assert!(missing.contains("no model `nowhere`"), "{missing}");
    host.stop();
}
