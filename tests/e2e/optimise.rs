//! `modelet model optimize`: smaller versions that still answer, and what is said of those that would not.

use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part};
use modelet_tests::{Function, TestHost, places, shared};
use serde_json::{Value, json};

/// scikit-learn's own answers to five held-out pictures.
fn pictures() -> Vec<Value> {
    let file = std::fs::read(places::model("digits").with_extension("json")).unwrap();
    serde_json::from_slice::<Value>(&file).unwrap()["samples"].as_array().unwrap().clone()
}

fn pixels() -> Vec<f32> {
    let numbers = |picture: &Value| picture["pixels"].as_array().unwrap().clone();
    pictures().iter().flat_map(numbers).map(|number| number.as_f64().unwrap() as f32).collect()
}

/// A file with the pictures as one call.
fn samples(host: &TestHost) -> String {
    let call = json!({ "inputs": [{ "name": "X", "shape": [5, 64], "datatype": "FP32", "data": pixels() }] });
    let file = host.scratch().join("pictures.json");
    std::fs::write(&file, call.to_string()).unwrap();
    file.display().to_string()
}

fn pushed(host: &TestHost, model: &str, name: &str) {
    host.modelet(["model", "push", &places::model(model).display().to_string(), "--name", name]).done();
}

#[test]
fn a_version_of_integers_or_halves_recognises_the_same_digits() {
    let (host, name) = (shared(), "smaller");
    pushed(host, "digits", name);
    for (version, flag, most) in [(2, "--int8", 0.55), (3, "--fp16", 0.75)] {
        let reference = format!("{name}@1");
        let made = host.modelet(["model", "optimize", &reference, flag, "--samples", &samples(host), "--json"]).json();
        assert_eq!((&made["version"], &made["created"]), (&version.into(), &true.into()), "{made}");
        let report = &made["optimised"];
        assert_eq!((&report["from"], &report["compared"], &report["calls"]), (&1.into(), &"given".into(), &1.into()));
        let size = |key: &str| report[key].as_u64().unwrap();
        assert!((size("bytes_after") as f64) < most * size("bytes_before") as f64, "{report}");
        assert_eq!(size("bytes_after"), made["bytes"].as_u64().unwrap());
        let label = &report["outputs"][0];
        assert_eq!((&label["name"], &label["same"], &label["same_of"]), (&"label".into(), &5.into(), &5.into()));
        assert!(report["outputs"][1]["cosine_min"].as_f64().unwrap() > 0.999, "{report}");
        assert_eq!(report["notes"], json!([]), "rows stay apart, and the samples were given");

        let function = Function::guest("nn").named(&format!("smaller-{version}"));
        let route = host.once(&function.model_ref("digits", &format!("{name}@{version}")));
        let outputs = compute(host, &route, "digits", vec![part("X", Kind::Fp32, &[5, 64], f32s(&pixels()))]).unwrap();
        let labels: Vec<i64> = outputs[0].data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        let expected: Vec<i64> = pictures().iter().map(|picture| picture["label"].as_i64().unwrap()).collect();
        assert_eq!(labels, expected, "{flag}");
    }
    let versions = host.modelet(["model", "show", name, "--json"]).json()["versions"].clone();
    let made: Vec<bool> = versions.as_array().unwrap().iter().map(|version| version["optimised"].is_object()).collect();
    assert_eq!(made, [true, true, false], "the newest first");
    let shown = host.modelet(["model", "show", name]).done();
    assert!(shown.contains("made of version 1") && shown.contains("16-bit floats"), "{shown}");
}

#[test]
fn the_server_itself_loads_neither_the_old_nor_the_new_one() {
    let host = TestHost::start();
    pushed(&host, "digits", "apart");
    let stood = |host: &TestHost| host.metrics().sum("modelet_model_trials_total", &[("outcome", "stood")]);
    assert_eq!(stood(&host), 1.0);
    host.modelet(["model", "optimize", "apart", "--int8", "--samples", &samples(&host)]).done();
    let metrics = host.metrics();
    assert_eq!(
        stood(&host),
        3.0,
        "the rewrite, and the new version's own trial: {}",
        metrics.lines("modelet_model_trials")
    );
    assert_eq!(metrics.sum("modelet_model_runs_total", &[]), 0.0, "{}", metrics.lines("modelet_model_runs"));
    let drifts = ["model", "optimize", "apart@1", "--int8", "--min-cosine", "1", "--samples", &samples(&host)];
    let _ = host.modelet(drifts).refused();
    let left = std::fs::read_dir(host.data_dir().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the file that was not wanted");
    host.stop();
}

#[test]
fn the_samples_and_the_card_of_a_version_go_with_it() {
    let (host, name) = (shared(), "with-samples");
    let folder = host.scratch().join(name);
    std::fs::create_dir_all(folder.join("samples")).unwrap();
    std::fs::copy(places::model("digits"), folder.join("digits.onnx")).unwrap();
    std::fs::copy(samples(host), folder.join("samples/pictures.json")).unwrap();
    std::fs::write(folder.join("card.toml"), "licence = \"MIT\"\n").unwrap();
    host.modelet(["model", "push", &folder.display().to_string(), "--name", name]).done();
    let made = host.modelet(["model", "optimize", name, "--int8", "--json"]).json();
    assert_eq!((&made["version"], &made["optimised"]["compared"]), (&2.into(), &"samples".into()), "{made}");
    assert_eq!(made["card"]["licence"], "MIT", "{made}");
    let files: Vec<&str> =
        made["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(files, ["digits.onnx", "samples/pictures.json"]);
}

#[test]
fn the_report_says_what_its_reader_has_to_know() {
    let (host, name) = (shared(), "reported");
    pushed(host, "digits", name);
    let text =
        host.modelet(["model", "optimize", name, "--int8", "--activations", "tensor", "--label", "small"]).done();
    assert!(text.contains("made-up inputs, which prove little"), "{text}");
    assert!(text.contains("rows influence each other now"), "{text}");
    assert!(text.contains("probabilities") && text.contains("weights are rewritten"), "{text}");
    let shown = host.modelet(["model", "show", name, "--json"]).json();
    assert_eq!(shown["versions"][0]["labels"], json!(["small"]));
    // The same again is the same bytes.
    let again = ["model", "optimize", "reported@1", "--int8", "--activations", "tensor", "--json"];
    let again = host.modelet(again).json();
    assert_eq!((&again["version"], &again["created"]), (&2.into(), &false.into()), "{again}");
}

#[test]
fn a_version_that_drifts_too_far_is_not_made() {
    let (host, name) = (shared(), "drifting");
    pushed(host, "digits", name);
    let wish = ["model", "optimize", name, "--int8", "--min-cosine", "1", "--samples", &samples(host)];
    let line = host.modelet(wish).refused();
    assert!(
        line.contains("drift too far") && line.contains("probabilities") && line.contains("--min-cosine"),
        "{line}"
    );
    let answer = host.admin("POST", &format!("/v1/models/{name}/optimize"), br#"{"precision":"int8","min_cosine":1}"#);
    let _ = answer.problem(409, "drift");
    let shown = host.modelet(["model", "show", name, "--json"]).json();
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1, "{shown}");
}

#[test]
fn wishes_that_cannot_be_met_say_why() {
    let (host, name) = (shared(), "wished");
    pushed(host, "digits", name);
    pushed(host, "identity_f32", "plain");
    let file = host.scratch().join("wrong.json");
    let wrong = json!({ "inputs": [{ "name": "X", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3] }] });
    std::fs::write(&file, wrong.to_string()).unwrap();
    let wrong = file.display().to_string();
    for (arguments, words) in [
        (&["nobody", "--int8"][..], "there is no model `nobody"),
        (&["wished@7", "--int8"], "there is no model `wished@7`"),
        (&["wished", "--int8", "--keep", "nothing"], "no node `nothing`"),
        (&["plain", "--int8"], "nothing to rewrite"),
        (&["wished", "--fp16", "--min-cosine", "2"], "-1 to 1"),
        (&["wished", "--fp16", "--samples", &wrong], "expected f32 [?, 64]"),
        (&["acme/wished", "--int8"], "belongs to the tenant acme"),
    ] {
        let line = host.modelet([&["model", "optimize"], arguments].concat()).refused();
        assert!(line.contains(words), "{arguments:?}: {line}");
    }
    let both = host.modelet(["model", "optimize", name, "--int8", "--fp16"]);
    assert_eq!(both.status, Some(2), "{both:?}");
    let neither = host.modelet(["model", "optimize", name]).done();
    assert!(neither.contains("already") && neither.contains("--int8"), "{neither}");
    assert_eq!(host.modelet(["model", "show", name, "--json"]).json()["versions"].as_array().unwrap().len(), 1);
}
