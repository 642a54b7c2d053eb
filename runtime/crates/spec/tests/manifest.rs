//! `function.toml` as its author meets it: what is read, and how faults are told.

use modelet_spec::manifest::{ConfigValue, Manifest, ModelSource, Reuse, Share};
use modelet_spec::{Auth, ByteSize};
use proptest::prelude::*;
use std::time::Duration;

const FULL: &str = r#"
name = "file-type"
[build]
command   = "cargo build --profile guest --target wasm32-wasip2"
component = "file_type.wasm"
[[route]]
path = "/file-type"
auth = "none"
[[route]]
host = "api.example.com"
path = "/x/{name}/{*rest}"
methods = ["GET", "POST"]
[models]
magika = { file = "models/magika.onnx" }
other = "acme/magika@stable"
[limits]
memory = "64MiB"
time = "2s"
cpu = "500ms"
body = "4MiB"
concurrency = 32
queue = 64
[instances]
reuse = "request"
idle = "30s"
max_requests = 10000
max_age = "10m"
requests = 1
min = 2
[batch]
magika = { max = 32, wait = "0ms", share = "all" }
[outbound]
allow = ["https://api.example.com", "http://[::1]:8080"]
[config]
threshold = "0.5"
api_key = { secret = "payment-key" }
[[case]]
request  = { method = "POST", path = "/file-type", body_file = "cases/hello.py" }
expect   = { status = 200, json = { label = "python", score = 0.98, ids = [1, 2] }, tolerance = 1e-3 }
"#;

fn report(text: &str) -> Vec<String> {
    match Manifest::parse(text, "function.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_whole_manifest_is_read() {
    let manifest = Manifest::parse(FULL, "function.toml").unwrap();
    assert_eq!(manifest.name.as_str(), "file-type");
    assert_eq!(manifest.build.as_ref().unwrap().component.to_str(), Some("file_type.wasm"));
    assert_eq!(manifest.route[0].auth, Some(Auth::None));
    assert_eq!(manifest.route[1].path.to_string(), "/x/{name}/{*rest}");
    assert_eq!(manifest.models["magika"], ModelSource::File("models/magika.onnx".into()));
    assert_eq!(manifest.models["other"], ModelSource::Ref("acme/magika@stable".parse().unwrap()));
    assert_eq!(manifest.limits.memory, Some(ByteSize::mib(64)));
    assert_eq!(manifest.limits.cpu, Some(Duration::from_millis(500)));
    assert_eq!(manifest.limits.tensors, None);
    assert_eq!(manifest.instances.reuse, Reuse::Request);
    assert_eq!((manifest.instances.max_age, manifest.instances.min), (Duration::from_secs(600), 2));
    assert_eq!(manifest.batch["magika"].share, Share::All);
    assert_eq!(manifest.config["threshold"], ConfigValue::Text("0.5".to_owned()));
    let secrets: Vec<_> = manifest.secrets().map(|(key, secret)| (key, secret.as_str())).collect();
    assert_eq!(secrets, [("api_key", "payment-key")]);
    assert_eq!(manifest.case[0].expect.json.as_ref().unwrap()["ids"][1], 2);
    assert_eq!(manifest.case[0].expect.tolerance, 1e-3);
}

#[test]
fn a_name_alone_is_a_manifest() {
    let manifest = Manifest::parse("name = \"x\"", "function.toml").unwrap();
    assert!(manifest.route.is_empty() && !manifest.inline_models);
    assert_eq!(manifest.instances.idle, Duration::from_secs(30));
    assert_eq!(manifest.instances.min, 0);
}

#[test]
fn a_manifest_survives_json() {
    let manifest = Manifest::parse(FULL, "function.toml").unwrap();
    let json = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
    let least: Manifest = serde_json::from_str(r#"{"name": "x"}"#).unwrap();
    assert_eq!(least, Manifest::parse("name = \"x\"", "f").unwrap());
}

#[test]
fn json_is_held_to_the_same_rules() {
    let cases = [
        (r#"{"name": "X"}"#, "function name"),
        (r#"{"name": "x", "rout": []}"#, "unknown field"),
        (r#"{"name": "x", "route": [{"path": "/x", "methods": ["get"]}]}"#, "route[0].methods: methods are upper case"),
        (r#"{"name": "x", "batch": {"m": {"max": 2}}}"#, "no such model"),
        (r#"{"name": "x", "models": {"inline": "a"}}"#, "switch"),
        (r#"{"name": "x", "models": {"m": 1}}"#, "model reference"),
        (r#"{"name": "x", "config": {"k": {"secrte": "s3cr3t"}}}"#, "expected a text, or {\"secret\""),
        (r#"{"name": "x", "config": {"k": {"secret": "S3CR3T"}}}"#, "expected a text, or {\"secret\""),
        (r#"{"name": "x", "limits": {"time": "0ms"}}"#, "limits.time"),
        (r#"{"name": "x", "instances": {"max_age": "0ms"}}"#, "instances.max_age"),
        (r#"{"name": "x", "limits": {"concurrency": 2}, "instances": {"min": 3}}"#, "instances.min"),
    ];
    for (json, reason) in cases {
        let message = serde_json::from_str::<Manifest>(json).unwrap_err().to_string();
        assert!(message.contains(reason), "{json}: {message}");
    }
}

#[test]
fn all_faults_come_at_once_each_with_its_line_and_a_fix() {
    let text = r#"nam = "x"
[build]
command = 5
[[route]]
path = "x"
[[route]]
path = "/ok"
auth = "keys"
methods = ["post"]
host = "Example.com:80"
[models]
magika = { fil = "m.onnx" }
Other = "a@"
[limits]
memry = "64MiB"
time = 2
body = "4M"
concurrency = 0
[instances]
reuse = "always"
max_requests = -1
[batch]
digits = { max = 9999, wait = "1d" }
[outbound]
allow = ["api.example.com"]
[config]
threshold = 0.5
key = { secrte = "stripe" }
[[case]]
request = { path = "file-type", body = "a", body_file = "b" }
expect = { status = 7, tolerance = -1 }
"#;
    let expected = [
        (1, "unknown key \"nam\"; did you mean \"name\"?"),
        (1, "name is missing; write name = \"my-function\""),
        (2, "build.component is missing; write component = \"my_function.wasm\""),
        (3, "build.command: expected a string in quotes, found an integer"),
        (5, "route[0].path: \"x\" is not a path pattern: it begins with \"/\""),
        (8, "route[1].auth: \"keys\" is no authorisation; write \"key\" or \"none\""),
        (9, "route[1].methods: methods are upper case; write \"POST\""),
        (10, "is not a host"),
        (12, "models.magika.file is missing"),
        (12, "unknown key \"fil\" in models.magika; did you mean \"file\"?"),
        (13, "models.Other: \"a@\" is not a model reference"),
        (13, "models.Other: \"Other\" is not a model name"),
        (15, "unknown key \"memry\" in limits; did you mean \"memory\"?"),
        (16, "limits.time: a duration has a unit; write \"2s\" or \"2ms\""),
        (17, "limits.body: \"4M\" has the unknown unit \"M\""),
        (18, "limits.concurrency: write a whole number that is at least 1"),
        (20, "instances.reuse: \"always\" is unknown here; write \"instance\" or \"request\""),
        (21, "instances.max_requests: write a whole number that is at least 1"),
        (23, "batch.digits: no such model in [models]"),
        (23, "batch.digits.max: write 1 to 4096"),
        (23, "batch.digits.wait: at most 10s"),
        (25, "outbound.allow[0]: \"api.example.com\" is not an origin"),
        (27, "config.threshold: expected a string in quotes, or { secret = \"NAME\" }, found a float"),
        (28, "config.key.secret is missing; write { secret = \"NAME\" }"),
        (28, "unknown key \"secrte\" in config.key; did you mean \"secret\"?"),
        (30, "case[0].request: a request has one body"),
        (30, "case[0].request.path: \"file-type\" does not begin with \"/\""),
        (31, "case[0].expect.status: write a whole number that is at least 100"),
        (31, "case[0].expect.tolerance: a tolerance is not negative"),
    ];
    let lines = report(text);
    for (line, message) in expected {
        let start = format!("function.toml:{line}: ");
        let found = lines.iter().any(|told| told.starts_with(&start) && told.contains(message));
        assert!(found, "{start}{message}\nis not in\n{}", lines.join("\n"));
    }
    assert_eq!(lines.len(), expected.len(), "{}", lines.join("\n"));
}

#[test]
fn broken_syntax_is_told_once_with_the_faults_around_it() {
    let lines = report("name = \"x\"\n[limits]\ntime = 2 s\nmemry = \"1MiB\"\n");
    assert!(lines[0].starts_with("function.toml:3: not valid TOML: "), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("function.toml:4: unknown key \"memry\"")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("missing")), "{lines:?}");
}

#[test]
fn a_key_that_resembles_none_gets_the_list() {
    let lines = report("name = \"x\"\n[outbound]\nwhatever = 1\n");
    assert_eq!(lines, ["function.toml:3: unknown key \"whatever\" in outbound; known here: allow"]);
}

#[test]
fn a_route_that_stands_twice_is_told_at_the_second() {
    let lines = report("name = \"x\"\n[[route]]\npath = \"/x\"\n\n[[route]]\npath = \"/x\"\n");
    assert_eq!(lines, ["function.toml:6: route[1].path: the same route stands above; remove one"]);
}

proptest! {
    #[test]
    fn any_text_is_a_manifest_or_a_report_with_faults(text in "(name|route|\\[|\\]|=|\"|x|\\{|\\}|\n|1|\\.| |é){0,40}") {
        match Manifest::parse(&text, "f") {
            Ok(manifest) => {
                let json = serde_json::to_string(&manifest).unwrap();
                prop_assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
            }
            Err(error) => prop_assert!(!error.faults.is_empty()),
        }
    }

    #[test]
    fn a_broken_byte_never_panics(at in 0..FULL.len(), with in "[\\[\\]{}\"=\n#0a.]") {
        let mut text = FULL.to_owned();
        text.replace_range(at..=at, &with);
        let _ = Manifest::parse(&text, "f");
    }
}
