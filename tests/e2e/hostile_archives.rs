//! Archives that are damaged, or made to do harm: refused by their fault, and nothing is left.

use modelet_tests::archive::{Entry, manifest, pack, sum, unpack};
use modelet_tests::{Function, TestHost, places};
use serde_json::{Value, json};
use std::fs;

/// The archive of a server with a function and the model that came with it.
fn good() -> Vec<u8> {
    let source = TestHost::start();
    source.deploy(&Function::guest("nn").named("f").model_file("m", &places::model("digits")));
    let file = source.scratch().join("good.tar");
    source.modelet(["export", &file.display().to_string()]).done();
    let bytes = fs::read(file).unwrap();
    source.stop();
    bytes
}

/// Archives that no export writes, each with what is to be said of it.
fn hostile(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let entries = unpack(good);
    let manifest = manifest(good);
    let with = |change: &dyn Fn(&mut Value)| {
        let (mut manifest, mut entries) = (manifest.clone(), entries.clone());
        change(&mut manifest);
        entries[0].1 = manifest.to_string().into_bytes();
        pack(&entries)
    };
    let entries_with = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = entries.clone();
        change(&mut entries);
        pack(&entries)
    };
    let mut flipped = good.to_vec();
    // In the component, which is most of it: a tar's padding is nobody's content.
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut link = entries.clone();
    link.insert(1, ("blobs/sha256/link".to_owned(), Vec::new()));
    let mut linked = pack(&link);
    let at = 512 + entries[0].1.len().div_ceil(512) * 512;
    linked[at + 156] = b'2';
    sum(&mut linked[at..at + 512]);
    let model = || "/tenants/0/models/0";
    vec![
        ("nothing", Vec::new(), "it is empty"),
        ("a text", b"hello".to_vec(), "it breaks off"),
        ("noise", vec![7; 4096], "cannot be read"),
        ("the manifest cut", good[..700].to_vec(), "it breaks off"),
        ("a content cut", good[..good.len() - 4096].to_vec(), "it breaks off"),
        ("a content missing", entries_with(&|e| drop(e.pop())), "is missing"),
        ("a byte changed", flipped, "it is damaged"),
        ("something behind it", [good, &[1; 512]].concat(), "something follows"),
        ("an entry twice", entries_with(&|e| e.push(e[1].clone())), "or has twice"),
        ("a path out of it", entries_with(&|e| e.push(("../../etc/passwd".into(), vec![1]))), "does not announce"),
        ("a link", linked, "is no plain file"),
        ("another first entry", entries_with(&|e| e.swap(0, 1)), "its first entry is not manifest.json"),
        ("another length", entries_with(&|e| e[1].1.push(0)), "were announced"),
        ("no JSON", entries_with(&|e| e[0].1 = b"{".to_vec()), "manifest.json cannot be read"),
        ("another format", with(&|m| m["format"] = json!("zip")), "not \"modelet-export\""),
        ("a newer version", with(&|m| m["version"] = json!(2)), "use the modelet that wrote it"),
        ("an unknown key", with(&|m| m["more"] = json!(1)), "unknown field `more`"),
        ("a name that is none", with(&|m| m["tenants"][0]["name"] = json!("../a")), "cannot be read"),
        (
            "a content twice",
            with(&|m| {
                let b = m["blobs"][0].clone();
                m["blobs"].as_array_mut().unwrap().push(b)
            }),
            "listed twice",
        ),
        (
            "a content for nobody",
            with(&|m| {
                m["blobs"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"digest": format!("sha256:{}", "0".repeat(64)), "bytes": 1}))
            }),
            "nothing needs",
        ),
        ("a content not listed", with(&|m| m["blobs"] = json!([])), "is not listed"),
        (
            "a label nowhere",
            with(&|m| m.pointer_mut(model()).unwrap()["labels"] = json!({"x": 9})),
            "stands at version 9",
        ),
        (
            "another digest",
            with(&|m| {
                m.pointer_mut(model()).unwrap()["versions"][0]["digest"] =
                    m["tenants"][0]["functions"][0]["versions"][0]["component"].clone()
            }),
            "has not the digest of its files",
        ),
        (
            "a path of a file",
            with(&|m| m.pointer_mut(model()).unwrap()["versions"][0]["files"][0]["path"] = json!("../x")),
            "cannot be read",
        ),
        (
            "a model twice",
            with(&|m| {
                let x = m.pointer(model()).unwrap().clone();
                m["tenants"][0]["models"].as_array_mut().unwrap().push(x)
            }),
            "the model m is there twice",
        ),
        ("live nowhere", with(&|m| m["tenants"][0]["functions"][0]["live"] = json!(9)), "version 9 is to serve"),
        ("no version", with(&|m| m["tenants"][0]["functions"][0]["versions"] = json!([])), "it has no version"),
        ("version 0", with(&|m| m["tenants"][0]["functions"][0]["live"] = json!(0)), "cannot be read"),
        (
            "a binding nowhere",
            with(&|m| m["tenants"][0]["functions"][0]["versions"][0]["models"]["m"]["version"] = json!(9)),
            "neither in the archive nor here",
        ),
        ("no binding", with(&|m| m["tenants"][0]["functions"][0]["versions"][0]["models"] = json!({})), "is not bound"),
        (
            "another manifest",
            with(&|m| m["tenants"][0]["functions"][0]["versions"][0]["manifest"]["name"] = json!("g")),
            "is that of g",
        ),
    ]
}

#[test]
fn a_hostile_or_damaged_archive_is_refused_by_its_fault_and_leaves_nothing() {
    let good = good();
    let target = TestHost::start();
    assert!(unpack(&pack(&unpack(&good))) == unpack(&good), "the test's own archives are like those of an export");
    for (what, bytes, expected) in hostile(&good) {
        for query in ["", "?dry_run=true"] {
            let answer = target.admin("POST", &format!("/v1/import{query}"), &bytes);
            assert_eq!(answer.status, 422, "{what}: {}", answer.text());
            let detail = answer.problem(422, "bad-archive");
            assert!(detail.contains(expected) && detail.contains("nothing has changed"), "{what}: {detail}");
        }
        for list in ["function", "model"] {
            let listed = target.modelet([list, "list", "--json"]).json();
            assert_eq!(listed[format!("{list}s")], json!([]), "{what}");
        }
    }
    assert_eq!(target.admin("POST", "/v1/import", &good).status, 200);
    target.stop();
}

#[test]
fn what_is_in_an_archive_is_admitted_as_a_push_and_a_deploy_are() {
    let good = unpack(&good());
    let target = TestHost::start();
    let manifest = String::from_utf8(good[0].1.clone()).unwrap();
    // The component is no component, the model no model; both have the digests that the archive says.
    let parsed: Value = serde_json::from_str(&manifest).unwrap();
    let component = parsed["tenants"][0]["functions"][0]["versions"][0]["component"].as_str().unwrap().to_owned();
    let model = parsed["tenants"][0]["models"][0]["versions"][0]["digest"].as_str().unwrap().to_owned();
    for (digest, named) in [(component, "the function default/f@1"), (model, "the model default/m@1")] {
        let garbage = b"garbage";
        let new = format!("sha256:{}", sha256(&target, garbage));
        let mut changed: Value = serde_json::from_str(&manifest.replace(&digest, &new)).unwrap();
        let blobs = changed["blobs"].as_array_mut().unwrap();
        blobs.iter_mut().filter(|blob| blob["digest"] == *new).for_each(|blob| blob["bytes"] = json!(garbage.len()));
        let mut entries = good.clone();
        entries[0].1 = changed.to_string().into_bytes();
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        for entry in entries.iter_mut().filter(|entry| entry.0.ends_with(&hex(&digest))) {
            *entry = (format!("blobs/sha256/{}", hex(&new)), garbage.to_vec());
        }
        let detail = target.admin("POST", "/v1/import", &pack(&entries)).problem(422, "bad-archive");
        assert!(detail.contains(named), "{detail}");
        for list in ["function", "model"] {
            assert_eq!(target.modelet([list, "list", "--json"]).json()[format!("{list}s")], json!([]));
        }
    }
    target.stop();
}

/// The digest of some bytes, as the server has it.
fn sha256(host: &TestHost, bytes: &[u8]) -> String {
    let blob = host.admin("POST", "/v1/blobs", bytes);
    blob.json()["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
}
