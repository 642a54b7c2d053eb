//! Tenants that have the same bytes: one copy of everything, and nothing that tells them.

use crate::build::{F32, Graph};
use modelet_tests::client::Answer;
use modelet_tests::frame::Kind;
use modelet_tests::metrics::{Metrics, Sample};
use modelet_tests::nn::{compute, f32s, part};
use modelet_tests::{Function, TestHost, places, tenants};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// An answer as its receiver sees it: all but the date, and with the tenant's own name taken out.
fn seen(answer: &Answer, tenant: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "etag");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status, headers, without_etags(&answer.text()).replace(&format!("\"{tenant}\""), "\"TENANT\""))
}

/// No two are the same; nothing can be told from them.
fn without_etags(text: &str) -> String {
    let mut pieces = text.split(r#","etag":"\""#);
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| {
        let (etag, rest) = piece.split_once(r#"\"""#).unwrap();
        assert!(etag.len() == 16 && etag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{etag}");
        text + rest
    })
}

/// The bytes of all contents on the disk, each inode once.
fn content_bytes(folder: &Path) -> u64 {
    let (mut seen, mut bytes, mut waiting) = (BTreeSet::new(), 0, vec![folder.to_owned()]);
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            match metadata.is_dir() {
                true => waiting.push(entry.path()),
                false if seen.insert(metadata.ino()) => bytes += metadata.len(),
                false => {}
            }
        }
    }
    bytes
}

fn small() -> Vec<u8> {
    let graph = Graph::default().input("x", F32, &[-1]).node("Neg", &["x"], &["y"], vec![]);
    Graph(graph.0.bytes(12, crate::build::value("y", F32, &[-1])).bytes(2, "neg")).model().0
}

/// Sessions that are really in memory, whoever's.
fn sessions(host: &TestHost) -> f64 {
    host.metrics().sum("modelet_device_sessions", &[])
}

#[test]
fn no_answer_tells_that_another_tenant_has_the_same_bytes() {
    let host = TestHost::configured("[limits]\ntenant_model_bytes = \"48KiB\"\n");
    ["first", "other"].iter().for_each(|name| tenants::create(&host, name, &[]));
    let digits = fs::read(places::model("digits")).unwrap();
    let card = format!(r#"{{"files":{{"m.onnx":"{}"}}"#, "DIGEST");
    // Everything that a tenant can ask, in an order in which the first finds the server without its bytes.
    let life = |tenant: &str| {
        let ask = |method: &str, path: &str, body: &[u8]| {
            let separator = if path.contains('?') { '&' } else { '?' };
            seen(&host.admin(method, &format!("{path}{separator}tenant={tenant}"), body), tenant)
        };
        let digest = |answer: &(u16, Vec<(String, String)>, String)| {
            serde_json::from_str::<serde_json::Value>(&answer.2).unwrap()["digest"].as_str().unwrap().to_owned()
        };
        let blob = ask("POST", "/v1/blobs", &small());
        let named = card.replace("DIGEST", &digest(&blob));
        let mut answers = vec![
            ask("GET", "/v1/models", b""),
            ask("GET", "/v1/models/digits", b""),
            // Bytes that somebody has, and that nobody has, before this tenant has sent them.
            ask("PUT", "/v1/models/m", format!("{}}}", card.replace("DIGEST", DIGITS)).as_bytes()),
            blob,
            ask("PUT", "/v1/models/m", format!("{named}}}").as_bytes()),
            ask("PUT", "/v1/models/m", format!("{named},\"card\":{{\"licence\":\"MIT\"}}}}").as_bytes()),
        ];
        let raw = |path: &str, body: &[u8]| seen(&host.put_bytes(&format!("{path}?tenant={tenant}"), body), tenant);
        answers.extend([
            raw("/v1/models/digits", &digits),
            raw("/v1/models/digits", &digits),
            raw("/v1/models/broken", &digits[..5000]),
            // Over the quota for both, although one file on the disk holds both.
            raw("/v1/models/large", &[digits.as_slice(), &[0; 9000]].concat()),
            ask("GET", "/v1/models", b""),
            ask("GET", "/v1/models/digits", b""),
            ask("PUT", "/v1/models/digits/labels/stable", br#"{"version":"1"}"#),
            ask("DELETE", "/v1/models/m?version=1", b""),
            ask("DELETE", "/v1/models/m", b""),
            ask("GET", "/v1/models/m", b""),
        ]);
        answers
    };
    // Names of one length: an answer says its own.
    let (first, second) = (life("first"), life("other"));
    assert_eq!(first.len(), second.len());
    for (number, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "answer {number}");
    }
    let statuses: Vec<u16> = first.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [200, 404, 422, 201, 201, 201, 201, 200, 422, 403, 200, 200, 200, 200, 200, 404]);
    host.stop();
}

/// `sha256` of `tests/models/digits.onnx`: what one tenant has and another has not sent yet.
const DIGITS: &str = "sha256:50841d385a4db73e7661bb25539c41d8a0ae3a0b6507ed750081c35d30951a88";

#[test]
fn a_hundred_tenants_with_the_same_model_have_one_copy_on_the_disk_and_in_memory() {
    let host = TestHost::start();
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    names.iter().for_each(|name| tenants::create(&host, name, &[&format!("/of-{name}")]));
    let model = small();
    for name in &names {
        let pushed = host.put_bytes(&format!("/v1/models/neg?tenant={name}"), &model);
        assert_eq!(pushed.status, 201, "{}", pushed.text());
    }
    assert_eq!(content_bytes(&host.data_dir().join("blobs")), model.len() as u64);
    assert_eq!(sessions(&host), 0.0, "a push leaves nothing in memory");

    // Functions of many tenants compute with it: one session, and after the first nobody loads.
    for (number, name) in names.iter().step_by(20).enumerate() {
        let route = format!("/of-{name}/f{number}");
        let function = Function::guest("nn").named(&format!("f{number}")).model_ref("m", "neg");
        tenants::deploy(&host, name, &function.route(&format!("path = \"{route}\"\nauth = \"none\"")));
        let x = vec![part("x", Kind::Fp32, &[1], f32s(&[1.0]))];
        compute(&host, &route, "m", x).unwrap();
        assert_eq!(sessions(&host), 1.0, "{}", host.metrics().lines("modelet_device_sessions"));
    }
    assert_eq!(host.log().matches("forms: loaded a model").count(), 1, "{}", host.log());
    host.stop();
}

#[test]
fn tenants_that_are_kept_apart_share_neither_disk_nor_memory() {
    let host = TestHost::configured("[models]\ndedupe = \"tenant\"\n");
    tenants::create(&host, "acme", &["/theirs"]);
    let file = host.scratch().join("neg.onnx");
    fs::write(&file, small()).unwrap();
    for (tenant, function) in [("default", "ours"), ("acme", "theirs")] {
        tenants::deploy(&host, tenant, &Function::guest("nn").named(function).model_file("m", &file));
        let x = vec![part("x", Kind::Fp32, &[1], f32s(&[1.0]))];
        compute(&host, &format!("/{function}"), "m", x).unwrap();
    }
    assert_eq!(sessions(&host), 2.0);
    let component = fs::metadata(places::guest("nn")).unwrap().len();
    assert_eq!(content_bytes(&host.data_dir().join("blobs")), 2 * (component + small().len() as u64));
    host.stop();
}

/// The series that carry a model's name, in the server's order.
fn series_of<'a>(metrics: &'a Metrics, model: &str) -> Vec<&'a Sample> {
    let names = |sample: &&Sample| {
        let label = |key: &str| sample.labels.get(key).map(String::as_str);
        let owner = label("tenant").filter(|tenant| *tenant != "default");
        let own = owner
            .map_or_else(|| label("model").map(str::to_owned), |tenant| Some(format!("{tenant}/{}", label("model")?)));
        own.as_deref() == Some(model)
    };
    metrics.samples.iter().filter(names).collect()
}

#[test]
fn series_of_a_model_tell_of_its_owners_calls_alone() {
    let host = TestHost::start();
    tenants::create(&host, "acme", &["/for-theirs"]);
    let deploy = |tenant: &str, model: &str| {
        let pushed = host.put_bytes(&format!("/v1/models/{model}?tenant={tenant}"), &small());
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        let function = Function::guest("nn").named(&format!("for-{model}"));
        let function = function.model_ref("m", model).with("[batch]\nm = { max = 8, share = \"all\" }\n");
        tenants::deploy(&host, tenant, &function);
    };
    let call = |model: &str, rows: u32| {
        let x = vec![part("x", Kind::Fp32, &[rows], f32s(&vec![1.0; rows as usize]))];
        compute(&host, &format!("/for-{model}"), "m", x).unwrap();
    };
    deploy("default", "ours");
    call("ours", 1);
    let alone = host.metrics();
    let ours = series_of(&alone, "ours");
    let value = |metrics: &Metrics, name: &str, model: &str| metrics.sum(name, &[("model", model)]);
    let own = [
        ("modelet_model_requests_total", 1.0),
        ("modelet_sessions", 1.0),
        ("modelet_queue_depth", 0.0),
        ("modelet_batch_size_count", 1.0),
        ("modelet_batch_size_sum", 1.0),
    ];
    for (name, expected) in own {
        assert!(ours.iter().any(|sample| sample.name == name), "no {name}: {}", alone.text);
        assert_eq!(value(&alone, name, "ours"), expected, "{name}");
    }
    assert!(value(&alone, "modelet_model_resident_bytes", "ours") > 0.0);

    deploy("acme", "theirs");
    let before = host.metrics();
    let known = series_of(&before, "acme/theirs").iter().map(|sample| sample.value).sum::<f64>();
    assert_eq!(known, 0.0, "for its owner nothing of it is in memory: {}", before.text);
    (0..3).for_each(|_| call("theirs", 5));
    let both = host.metrics();
    assert_eq!(series_of(&both, "ours"), ours, "a stranger with the same bytes changes nothing");
    assert_eq!(sessions(&host), 1.0, "one copy for both");
    // In full under both names, as their quotas are charged.
    for name in ["modelet_sessions", "modelet_model_resident_bytes"] {
        assert_eq!(value(&both, name, "acme/theirs"), value(&alone, name, "ours"), "{name}");
    }
    assert_eq!(value(&both, "modelet_batch_size_count", "acme/theirs"), 3.0);
    assert_eq!(value(&both, "modelet_batch_size_sum", "acme/theirs"), 15.0);
    for sample in both.samples.iter().filter(|sample| sample.labels.contains_key("model")) {
        let model = sample.labels["model"].as_str();
        let is_owners = match sample.labels.get("tenant").map(String::as_str) {
            Some("acme") => model == "theirs",
            Some(_) => model == "ours",
            None => ["ours", "acme/theirs"].contains(&model),
        };
        assert!(is_owners, "{sample:?}");
    }

    let removed = host.admin("DELETE", "/v1/models/theirs?tenant=acme&force=true", b"");
    assert_eq!(removed.status, 200, "{}", removed.text());
    let after = host.metrics();
    assert!(series_of(&after, "acme/theirs").is_empty(), "series of removed models go: {}", after.text);
    assert_eq!(series_of(&after, "ours"), ours);
    host.stop();
}
