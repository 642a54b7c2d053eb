//! How a model comes into memory: tried in a process of its own, loaded from the optimised form that the trial wrote.

use modelet_tests::cli::{modelet, ran};
use modelet_tests::frame::Kind;
use modelet_tests::{Function, TestHost, nn, places};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn digits(host: &TestHost, route: &str) -> usize {
    let picture = vec![nn::part("X", Kind::Fp32, &[1, 64], vec![0; 256])];
    nn::compute(host, route, "digits", picture).unwrap().len()
}

/// The optimised forms in a server's data directory.
fn forms(host: &TestHost) -> Vec<PathBuf> {
    let folder = fs::read_dir(host.data_dir().join("optimised")).unwrap();
    folder.map(|entry| entry.unwrap().path()).collect()
}

/// What the log says of the loads since `from`: the form of each.
fn loads(log: &str) -> Vec<String> {
    let loaded = log.lines().filter(|line| line.contains("loaded a model"));
    let form = |line: &str| line.split("form=").nth(1).map(|rest| rest.split_whitespace().next().unwrap().to_owned());
    loaded.filter_map(form).map(|form| form.trim_matches('"').to_owned()).collect()
}

#[test]
fn a_model_is_loaded_from_its_optimised_form_also_after_a_restart() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("nn").model("digits"));
    assert_eq!(forms(&host).len(), 1, "written by the trial at the push");
    assert_eq!(digits(&host, "/nn"), 2);
    host.restart();
    let written = fs::metadata(&forms(&host)[0]).unwrap().modified().unwrap();
    assert_eq!(digits(&host, "/nn"), 2);
    assert_eq!(loads(&host.log()), ["optimised", "optimised"]);
    assert_eq!(fs::metadata(&forms(&host)[0]).unwrap().modified().unwrap(), written, "it was not made again");
    assert!(!host.log().contains("no usable optimised form"), "{}", host.log());
    host.stop();
}

#[test]
fn an_optimised_form_that_was_changed_or_has_gone_is_made_again() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("nn").model("digits"));
    let form = forms(&host).remove(0);
    let good = fs::read(&form).unwrap();
    for change in ["flipped", "cut", "gone"] {
        host.halt();
        fs::remove_file(&form).unwrap();
        let mut bytes = good.clone();
        let middle = bytes.len() / 2;
        match change {
            "flipped" => bytes[middle] ^= 0xff,
            "cut" => bytes.truncate(middle),
            _ => bytes.clear(),
        }
        if change != "gone" {
            fs::write(&form, &bytes).unwrap();
        }
        host.start_again();
        assert_eq!(digits(&host, "/nn"), 2, "{change}");
        let _ = host.logged(&["no usable optimised form", "loaded a model"]);
        assert!(loads(&host.log()).iter().all(|form| form == "optimised"), "{change}: {}", host.log());
        assert_eq!(fs::read(&form).unwrap().len(), good.len(), "{change}");
    }
    host.stop();
}

#[test]
fn a_model_that_its_trial_does_not_survive_is_refused_with_the_reason_and_nobody_else_notices() {
    let host = TestHost::configured("[limits]\ntrial_time = \"1ms\"\n");
    let hello = host.guest("hello");
    let digits = places::model("digits").display().to_string();
    let line = host.modelet(["model", "push", &digits, "--name", "late"]).refused();
    assert!(line.contains("its trial took longer than 0.001 s"), "{line}");
    assert_eq!(host.get(&hello).ok().text(), "hello\n");
    assert_eq!(host.metrics().sum("modelet_model_trials_total", &[("outcome", "died")]), 1.0);
    assert!(forms(&host).is_empty(), "what a trial wrote goes with it");
    assert!(fs::read_dir(host.data_dir().join("tmp")).unwrap().next().is_none());
    host.stop();
}

/// Runs `modelet trial` as a server does.
fn trial(job: &Value) -> (std::process::Output, Value) {
    let mut command = modelet();
    command.arg("trial").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, answer)
}

fn library() -> PathBuf {
    places::present(places::cache().join("onnxruntime-1.31.1/libonnxruntime.so.1"))
}

fn job(model: &Path, samples: Value) -> Value {
    let limits = json!({ "memory_bytes": 8_u64 << 30, "cpu_s": 60, "file_bytes": 1 << 30 });
    json!({
        "name": "tried", "library": library(), "model": model, "folder": null, "optimised_to": null,
        "samples": samples, "card": {}, "limits": limits, "arena_max_bytes": 1 << 30,
    })
}

#[test]
fn a_trial_that_computes_for_too_long_is_ended_by_its_own_limit() {
    // A thousand million turns of a loop: minutes.
    let call = r#"{"inputs":[{"name":"n","shape":[1],"datatype":"INT64","data":[1000000000]}]}"#;
    let mut job = job(&places::model("slow_loop"), json!([{ "name": "endless.json", "json": call }]));
    job["limits"]["cpu_s"] = json!(1);
    let (output, answer) = trial(&job);
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    // SIGXCPU; or the run limit of the model was quicker on a machine that gives it less than a second in a minute.
    let stopped = answer["refused"].as_str().is_some_and(|why| why.contains("endless.json"));
    assert!(signal == Some(24) || stopped, "{output:?}");
}

#[test]
fn a_trial_answers_with_what_it_found() {
    let call = |data: &str| {
        let json = format!(r#"{{"inputs":[{{"name":"X","shape":[1,64],"datatype":"FP32","data":{data}}}]}}"#);
        json!([{ "name": "one.json", "json": json }])
    };
    let digits = places::model("digits");
    let (output, answer) = trial(&job(&digits, call(&format!("{:?}", [0.5; 64]))));
    let facts = &answer["facts"];
    assert_eq!(facts["batch"], "equal", "{output:?}");
    assert_eq!(facts["description"]["inputs"][0]["name"], "X");
    for (given, why) in [("[1]", "the sample `one.json`: input `X`: "), ("[true]", "true is no FP32")] {
        let (_, answer) = trial(&job(&digits, call(given)));
        let refused = answer["refused"].as_str().unwrap();
        assert!(refused.contains(why), "{refused}");
    }
    let text = places::repository().join("README.md");
    let (_, answer) = trial(&job(&text, json!([])));
    assert!(answer["refused"].as_str().unwrap().contains("ONNX"), "{answer}");
}

/// The commands that a server starts its own binary with.
const OF_THE_SERVER: [&str; 2] = ["trial", "compile"];

#[test]
fn a_process_of_the_servers_keeps_no_descriptor_that_it_was_handed() {
    for command in OF_THE_SERVER {
        let scratch = tempfile::tempdir().unwrap();
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "exec 9>\"$1\"; exec \"$2\" \"$3\"", "sh"])
            .arg(scratch.path().join("held"))
            .arg(places::modelet())
            .arg(command);
        // It waits for its job meanwhile.
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let open = || {
            let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default();
            let held = fs::read_link(format!("/proc/{}/fd/9", child.id())).is_ok();
            (name.trim() == "modelet" && !held).then_some(())
        };
        modelet_tests::until("it has closed what it was handed", open);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn what_a_server_starts_is_not_for_people() {
    let help = ran(modelet().arg("--help")).done();
    for command in OF_THE_SERVER {
        assert!(!help.contains(command), "{help}");
        let line = ran(modelet().arg(command).stdin(Stdio::null())).refused();
        assert!(line.contains("started by the server"), "{line}");
    }
}
