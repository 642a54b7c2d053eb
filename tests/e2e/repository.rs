//! The model repository: folders, cards, versions, labels, removal, quotas.

use crate::build::{F32, Graph, Message};
use modelet_tests::cli::{modelet, ran, run_in};
use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part, to_f32s};
use modelet_tests::{Function, TestHost, places, shared};
use std::fs;
use std::path::Path;

const CARD: &str =
    "description = \"Adds weights\"\nlicence = \"Apache-2.0\"\n[metrics]\naccuracy = 0.97\n[run]\nlimit = \"10s\"\n";
const SAMPLE: &str = r#"{"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[0,0,0,0]}]}"#;

/// `x` f32 [4] → `y` = x + `w`, whose weights are in `file` from `offset` on.
pub(crate) fn external(file: &str, offset: usize) -> Message {
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let weights = Message::default().number(1, 4).number(2, F32).bytes(8, "w").number(14, 1);
    let weights = weights.bytes(13, entry("location", file)).bytes(13, entry("offset", &offset.to_string()));
    let y = crate::build::value("y", F32, &[4]);
    let graph = Graph::default().input("x", F32, &[4]).constant(weights).node("Add", &["x", "w"], &["y"], vec![]);
    Graph(graph.0.bytes(12, y).bytes(2, "adds")).model()
}

/// Lays a model's folder: the ONNX file, its weights below, a card, a sample, and something that is none of these.
pub(crate) fn lay(folder: &Path, weights: &[f32; 4]) {
    fs::create_dir_all(folder.join("weights")).unwrap();
    fs::create_dir_all(folder.join("samples")).unwrap();
    fs::write(folder.join("adds.onnx"), external("weights/0.bin", 16)).unwrap();
    fs::write(folder.join("weights/0.bin"), [vec![0; 16], f32s(weights)].concat()).unwrap();
    fs::write(folder.join("card.toml"), CARD).unwrap();
    fs::write(folder.join("samples/zeros.json"), SAMPLE).unwrap();
    fs::write(folder.join("README.txt"), "about").unwrap();
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn adds(host: &TestHost, route: &str, model: &str) -> Vec<f32> {
    let x = vec![part("x", Kind::Fp32, &[4], f32s(&[1.0, 2.0, 3.0, 4.0]))];
    to_f32s(&compute(host, route, model, x).unwrap()[0].data)
}

#[test]
fn a_folder_with_weights_card_and_samples_is_pushed_shown_and_computes() {
    let mut host = TestHost::start();
    let folder = host.scratch().join("adds");
    lay(&folder, &[10.0, 20.0, 30.0, 40.0]);
    let pushed = host.modelet(["model", "push", &text(&folder), "--name", "adds", "--label", "stable"]);
    assert!(pushed.stderr.contains("left out") && pushed.stderr.contains("README.txt"), "{pushed:?}");
    pushed.done();
    let shown = host.modelet(["model", "show", "adds", "--json"]).json();
    let version = &shown["versions"][0];
    assert_eq!(
        (&version["card"]["licence"], &version["card"]["metrics"]["accuracy"]),
        (&"Apache-2.0".into(), &0.97.into())
    );
    let files: Vec<_> = version["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["path"].as_str().unwrap(), f["role"].as_str().unwrap()))
        .collect();
    assert_eq!(files, [("adds.onnx", "model"), ("samples/zeros.json", "sample"), ("weights/0.bin", "data")]);
    assert_eq!(version["labels"], serde_json::json!(["stable"]));
    let person = host.modelet(["model", "show", "adds@stable"]).done();
    for told in ["Apache-2.0", "Adds weights", "accuracy = 0.97", "weights/0.bin"] {
        assert!(person.contains(told), "{told}: {person}");
    }
    host.deploy(&Function::guest("nn").model_ref("m", "adds@stable"));
    assert_eq!(adds(&host, "/nn", "m"), [11.0, 22.0, 33.0, 44.0]);
    host.kill_and_restart();
    assert_eq!(adds(&host, "/nn", "m"), [11.0, 22.0, 33.0, 44.0]);
    // The same again is no new version; other weights are, under the same ONNX file.
    host.modelet(["model", "push", &text(&folder), "--name", "adds", "--json"]).done();
    fs::write(folder.join("weights/0.bin"), [vec![0; 16], f32s(&[0.0; 4])].concat()).unwrap();
    host.modelet(["model", "push", &text(&folder), "--name", "adds"]).done();
    let versions = host.modelet(["model", "versions", "adds", "--json"]).json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    assert_ne!(versions["versions"][0]["digest"], versions["versions"][1]["digest"]);
    assert_eq!(adds(&host, "/nn", "m"), [11.0, 22.0, 33.0, 44.0], "the function keeps the version it was bound to");
    host.stop();
}

#[test]
fn a_deploy_takes_a_folder_as_it_takes_a_file() {
    let host = TestHost::start();
    let folder = host.scratch().join("adds");
    lay(&folder, &[1.0; 4]);
    host.deploy(&Function::guest("nn").model_file("m", &folder));
    assert_eq!(adds(&host, "/nn", "m"), [2.0, 3.0, 4.0, 5.0]);
    let component = places::guest("nn");
    let model = format!("m={}/", text(&folder));
    host.modelet(["deploy", &text(&component), "--name", "flagged", "--model", &model]).done();
    assert_eq!(adds(&host, "/flagged", "m"), [2.0, 3.0, 4.0, 5.0]);
    host.stop();
}

/// What is done to a sound folder, and what is said of it then.
type Wrong = (&'static dyn Fn(&Path), &'static str);

#[test]
fn what_is_wrong_with_a_folder_is_told_with_its_place() {
    let host = shared();
    let scratch = tempfile::tempdir_in(host.scratch()).unwrap();
    let refused = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir_in(scratch.path()).unwrap();
        lay(folder.path(), &[0.0; 4]);
        fs::remove_file(folder.path().join("README.txt")).unwrap();
        change(folder.path());
        host.modelet(["model", "push", &text(folder.path()), "--name", "wrong"]).refused()
    };
    let cases: [Wrong; 6] = [
        (&|folder| fs::remove_file(folder.join("weights/0.bin")).unwrap(), "weights/0.bin, which did not come with it"),
        (&|folder| fs::write(folder.join("weights/0.bin"), [0; 31]).unwrap(), "has 31B, and its weights end at 32B"),
        (
            &|folder| fs::write(folder.join("card.toml"), "\nlicens = \"MIT\"").unwrap(),
            "card.toml:2: unknown key \"licens\"; did you mean \"licence\"?",
        ),
        (
            &|folder| fs::write(folder.join("adds.onnx"), external("../adds.onnx", 0)).unwrap(),
            "initializer `w`: its data is in `../adds.onnx`, outside the model's folder",
        ),
        (&|folder| fs::write(folder.join("b.onnx"), "").unwrap(), "several ONNX files"),
        (
            &|folder| {
                fs::remove_file(folder.join("weights/0.bin")).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", folder.join("weights/0.bin")).unwrap();
            },
            "is a link",
        ),
    ];
    for (change, told) in cases {
        let line = refused(change);
        assert!(line.contains(told), "{told}\nis not in\n{line}");
    }
    // Alone, the file is refused, and the way to push it is named.
    let file = scratch.path().join("adds.onnx");
    fs::write(&file, external("weights/0.bin", 0)).unwrap();
    let line = host.modelet(["model", "push", &text(&file), "--name", "wrong"]).refused();
    assert!(line.contains("initializer `w`") && line.contains("push the model's folder"), "{line}");
    assert_eq!(host.modelet(["model", "show", "wrong"]).status, Some(1), "nothing is left of any");
}

/// Sends bytes and returns their digest.
fn blob(host: &TestHost, bytes: &[u8]) -> String {
    let answer = host.admin("POST", "/v1/blobs", bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn the_api_refuses_files_that_do_not_make_a_model() {
    let host = shared();
    let (model, weights) = (blob(host, external("w.bin", 0).as_ref()), blob(host, &[0; 16]));
    let push = |body: String| host.admin("PUT", "/v1/models/api", body.as_bytes());
    let files = |files: &str, more: &str| push(format!(r#"{{"files":{{{files}}}{more}}}"#));
    let both = format!(r#""m.onnx":"{model}","w.bin":"{weights}""#);
    assert_eq!(files(&both, "").status, 201);
    assert_eq!(files(&both, r#","card":{}"#).status, 200, "an empty card is none");
    let stray = files(&format!(r#"{both},"x.bin":"{weights}""#), "").problem(422, "bad-files");
    assert!(stray.contains("x.bin"), "{stray}");
    let _ = files(&both, r#","main":"other.onnx""#).problem(422, "bad-files");
    let _ = files(r#""../m.onnx":"sha256:00""#, "").problem(400, "bad-request");
    let nowhere = format!("sha256:{}", "0".repeat(64));
    assert!(files(&format!(r#""m.onnx":"{nowhere}""#), "").problem(422, "no-blob").contains(&nowhere));
    let card = files(&both, r#","card":{"licens":"MIT"}"#).problem(400, "bad-request");
    assert!(card.contains("licens"), "{card}");
}

#[test]
fn labels_move_and_versions_go_unless_a_function_uses_them() {
    let mut host = TestHost::start();
    let push = |host: &TestHost, model: &str| {
        host.modelet(["model", "push", &text(&places::model(model)), "--name", "m", "--json"]).json()["version"]
            .as_u64()
    };
    assert_eq!(
        (push(&host, "identity_f32"), push(&host, "identity_f64"), push(&host, "identity_i64")),
        (Some(1), Some(2), Some(3))
    );
    host.modelet(["model", "label", "m@1", "stable"]).done();
    assert!(
        host.modelet(["model", "versions", "m"])
            .done()
            .lines()
            .any(|line| line.contains("stable") && line.contains(" 1 "))
    );
    host.modelet(["model", "label", "m@2", "stable"]).done();
    assert!(
        host.modelet(["model", "label", "m@1", "stable", "--remove"]).refused().contains("does not stand at `m@1`")
    );
    host.modelet(["model", "label", "m", "stable", "--remove"]).done();
    assert!(host.modelet(["model", "label", "m@9", "stable"]).refused().contains("no model `m@9`"));

    host.deploy(&Function::guest("nn").model_ref("m", "m@1"));
    let x = || vec![part("x", Kind::Fp32, &[1], f32s(&[1.0]))];
    compute(&host, "/nn", "m", x()).unwrap();
    for all in ["m", "m@1"] {
        let line = host.modelet(["model", "remove", all]).refused();
        assert!(line.contains("used by the functions nn") && line.contains("--force"), "{line}");
    }
    host.modelet(["model", "remove", "m@3"]).done();
    assert!(host.modelet(["model", "show", "m@3"]).refused().contains("m@3"));
    assert_eq!(push(&host, "identity_i64"), Some(4), "a number is never used again");

    let told = host.modelet(["model", "remove", "m@1", "--force"]).done();
    assert!(told.contains("nn finds it no longer"), "{told}");
    assert_eq!(compute(&host, "/nn", "m", x()).unwrap_err().code, "not-found");
    host.kill_and_restart();
    assert_eq!(compute(&host, "/nn", "m", x()).unwrap_err().code, "not-found");
    let line = host.try_deploy(&Function::guest("nn").model_ref("m", "m@1")).refused();
    assert!(line.contains("m@1"), "{line}");
    assert_eq!(push(&host, "identity_f32"), Some(5));
    host.deploy(&Function::guest("nn").model_ref("m", "m@5"));
    compute(&host, "/nn", "m", x()).unwrap();
    host.stop();
}

#[test]
fn a_quota_refuses_with_its_numbers_and_removal_makes_room() {
    let host = TestHost::configured("[limits]\ntenant_model_bytes = \"24KiB\"\n");
    let digits = text(&places::model("digits"));
    let bytes = fs::metadata(&digits).unwrap().len();
    assert!((12 << 10..24 << 10).contains(&bytes), "{bytes}");
    host.modelet(["model", "push", &digits, "--name", "one"]).done();
    // The same bytes under another name count once; others are too many, before anything of them is looked at.
    host.modelet(["model", "push", &digits, "--name", "two"]).refused();
    let refused = host.put_bytes("/v1/models/garbage", &[7; 20_000]).problem(403, "quota-exceeded");
    assert!(refused.contains("24KiB") && refused.contains("modelet model remove"), "{refused}");
    host.put_bytes("/v1/models/garbage", &[7; 1000]).problem(422, "bad-model");
    host.modelet(["model", "remove", "one"]).done();
    host.modelet(["model", "push", &digits, "--name", "two"]).done();
    host.stop();
}

#[test]
fn inspect_says_the_verdict_without_onnx_runtime() {
    let scratch = tempfile::tempdir().unwrap();
    let inspect = |path: &Path, flag: &[&str]| {
        let command = &mut modelet();
        ran(command
            .arg("inspect")
            .arg(path)
            .args(flag)
            .current_dir(scratch.path())
            .env("MODELET_INFERENCE_LIBRARY", "/nowhere"))
    };
    let digits = inspect(&places::model("digits"), &["--json"]).json();
    assert_eq!((&digits["verdict"], &digits["operators"]["MatMul"]), (&"admitted".into(), &2.into()));
    assert_eq!((&digits["inputs"][0]["name"], &digits["opsets"][""]), (&"X".into(), &17.into()));
    assert_eq!(digits["row_mixing"]["mixes"], false, "{digits}");
    let person = inspect(&places::model("digits"), &[]).done();
    for told in ["admitted", "MatMul × 2", "stay apart", "probabilities", "f32"] {
        assert!(person.contains(told), "{told}: {person}");
    }
    let refused = inspect(&places::model("constant_folding_bomb"), &[]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("(ConstantOfShape)") && refused.stderr.contains("2147483648 bytes"), "{refused:?}");
    let json = inspect(&places::model("constant_folding_bomb"), &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (json.status, &report["verdict"], &report["refusal"]["kind"]),
        (Some(1), &"refused".into(), &"too-large".into())
    );
    let folder = scratch.path().join("adds");
    lay(&folder, &[0.0; 4]);
    let whole = inspect(&folder, &["--json"]).json();
    assert_eq!(
        (&whole["external_files"][0]["needed_bytes"], &whole["external_files"][0]["bytes"]),
        (&32.into(), &32.into())
    );
    fs::remove_file(folder.join("weights/0.bin")).unwrap();
    assert!(inspect(&folder, &[]).stderr.contains("weights/0.bin, which is not there"));
    assert!(run_in(scratch.path(), ["inspect", "nothing.onnx"]).refused().contains("nothing.onnx"));
}
