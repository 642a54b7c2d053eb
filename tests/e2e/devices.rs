//! Devices that are configured: each is really tried, and what is demanded and not there is said before anything serves.

use modelet_tests::TestHost;
use modelet_tests::cli::{modelet, ran, run_in};

/// Two devices that no machine of ours has: the highest numbers.
const CONFIG: &str =
    "[inference]\ndevices = \"cuda:63, tensorrt:63, cpu\"\ndevice_memory = \"cuda:63=1GiB, tensorrt:63=1GiB\"\n";

#[test]
fn a_server_whose_demanded_device_is_not_there_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("cuda:63,", "cuda:63!,");
    std::fs::write(folder.path().join("modelet.toml"), config).unwrap();
    assert_eq!(
        run_in(folder.path(), ["check"]).status,
        Some(0),
        "it is sound; whether it can be met is another matter"
    );
    let refused = run_in(folder.path(), ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "nothing serves: {refused:?}");
    for words in ["the configuration has a fault", "cuda:63!", "cuda:63 is demanded and not really there"] {
        assert!(refused.stderr.contains(words), "{words} is not in: {refused:?}");
    }
}

#[test]
fn a_device_that_is_only_wished_for_is_left_out_with_a_warning_and_models_run() {
    let host = TestHost::configured(CONFIG);
    let _ = host.logged(&["WARN", "not really there", "device=cuda:63"]);
    let _ = host.logged(&["WARN", "not really there", "device=tensorrt:63"]);
    let _ = host.logged(&["INFO", "models can run here", "device=cpu"]);
    let pushed =
        host.modelet(["model", "push", &modelet_tests::places::model("digits").display().to_string(), "--name", "d"]);
    assert_eq!(pushed.status, Some(0), "{pushed:?}");
}

#[test]
fn doctor_tries_each_device_and_misses_only_what_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |devices: &str| {
        let memory = "cuda:63=1GiB";
        let mut command = modelet();
        command.args(["doctor", "--json"]).current_dir(folder.path());
        ran(command.env("MODELET_INFERENCE_DEVICES", devices).env("MODELET_INFERENCE_DEVICE_MEMORY", memory))
    };
    let finding = |report: &serde_json::Value, what: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["what"] == what)
            .cloned()
            .unwrap_or_else(|| panic!("no {what}: {report}"))
    };
    let wished = doctor("cuda:63, cpu").json();
    assert_eq!(finding(&wished, "cpu")["state"], "ok");
    assert_eq!(finding(&wished, "cuda:63")["state"], "optional");
    assert!(finding(&wished, "providers")["detail"].as_str().unwrap().contains("CPU"));
    let demanded = doctor("cuda:63!, cpu");
    assert_eq!(demanded.status, Some(1), "{demanded:?}");
    let report: serde_json::Value = serde_json::from_str(&demanded.stdout).unwrap();
    let missing = finding(&report, "cuda:63");
    assert_eq!(missing["state"], "missing");
    assert!(
        missing["detail"].as_str().unwrap().starts_with("named in [inference] and not really there: "),
        "{missing}"
    );
    assert!(!missing["fix"].as_str().unwrap().is_empty());
}
