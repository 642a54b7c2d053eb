//! Exports and imports: all desired state as one file, taken to another server, and never believed.

use modelet_tests::cli::Ran;
use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part, to_f32s};
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client, places};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A server with something of everything that is exported.
fn full() -> TestHost {
    let host = TestHost::start();
    host.modelet(["tenant", "create", "acme", "--host", "acme.example", "--path", "/acme"]).done();
    host.modelet(["tenant", "limits", "acme", "concurrency=8", "model_bytes=1GiB"]).done();
    let push = |file: &str, more: &[&str]| {
        let file = places::model(file).display().to_string();
        host.modelet(["model", "push", &file, "--name", "m"].iter().chain(more)).done();
    };
    push("digits", &["--tenant", "acme", "--label", "stable"]);
    push("dynamic_batch", &["--tenant", "acme"]);
    host.modelet(["model", "grant", "m", "--to", "default", "--share-batch", "--tenant", "acme"]).done();
    host.modelet(["model", "pin", "m@1", "--tenant", "acme"]).done();
    let route = "path = \"/acme/split\"\nauth = \"none\"";
    for guest in ["hello", "status", "echo"] {
        deploy(&host, "acme", &Function::guest(guest).named("split").route(route).with("[config]\na = \"b\"\n"));
    }
    host.modelet(["function", "remove", "split", "--version", "1", "--tenant", "acme"]).done();
    host.modelet(["traffic", "split", "2=100", "--sticky", "x-user", "--shadow", "3", "--tenant", "acme"]).done();
    host.deploy(&Function::guest("nn").named("user").model_ref("m", "acme/m"));
    host.deploy(&Function::guest("hello").named("warm"));
    host.modelet(["function", "scale", "warm", "--min", "1"]).done();
    host
}

/// What the server answers, by value.
fn answers(host: &TestHost) -> Value {
    let x = vec![part("x", Kind::Fp32, &[1, 4], f32s(&[1.0; 4]))];
    json!([
        host.get("/acme/split").ok().text(),
        to_f32s(&compute(host, "/user", "m", x).unwrap()[0].data),
        host.get("/warm").ok().text(),
    ])
}

/// What listings say, without what is of this server and this moment.
fn listings(host: &TestHost) -> Value {
    let mut all = Vec::new();
    for tenant in ["acme", "default"] {
        let mut ask = |arguments: &[&str], drop: &[&str]| {
            let mut listed = host.modelet(arguments.iter().chain(&["--tenant", tenant, "--json"])).json();
            strip(&mut listed, drop);
            all.push(listed);
        };
        let moment = ["instances", "memory", "compile", "deployed", "created_ms", "granted_ms", "world", "usage"];
        ask(&["function", "list"], &moment);
        ask(&["model", "list"], &moment);
        if tenant == "acme" {
            ask(&["function", "versions", "split"], &moment);
            ask(&["traffic", "split"], &["shadow"]);
            ask(&["model", "versions", "m"], &moment);
        }
    }
    let mut tenants = host.modelet(["tenant", "list", "--json"]).json();
    strip(&mut tenants, &["created_ms"]);
    all.push(tenants);
    all.into()
}

fn strip(value: &mut Value, drop: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !drop.contains(&name.as_str()));
            fields.values_mut().for_each(|field| strip(field, drop));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, drop)),
        _ => {}
    }
}

fn export(host: &TestHost, name: &str, more: &[&str]) -> PathBuf {
    let file = host.scratch().join(name);
    let path = file.display().to_string();
    host.modelet(["export", &path].iter().chain(more)).done();
    file
}

fn import(host: &TestHost, file: &Path, more: &[&str]) -> Ran {
    let path = file.display().to_string();
    host.modelet(["import", &path].iter().chain(more))
}

fn changes(imported: &Value) -> Vec<String> {
    let items = imported["items"].as_array().unwrap();
    items.iter().map(|i| format!("{} {}", i["change"].as_str().unwrap(), i["name"].as_str().unwrap())).collect()
}

#[test]
fn all_desired_state_goes_to_an_empty_server_and_serves_the_same_there() {
    let source = full();
    let said = source.modelet(["export", "all.tar", "--json"]).json();
    assert_eq!((&said["tenants"], &said["models"], &said["functions"]), (&json!(2), &json!(1), &json!(3)), "{said}");
    assert!(said["not_included"].to_string().contains("secrets") && said["not_included"].to_string().contains("keys"));
    let file = source.scratch().join("all.tar");
    let line = source.modelet(["export", "all.tar"]).refused();
    assert!(line.contains("is there already"), "{line}");

    let mut target = TestHost::start();
    let would = import(&target, &file, &["--dry-run", "--json"]).json();
    assert_eq!(changes(&would), ["added acme", "added m", "added split", "added user", "added warm"], "{would}");
    assert_eq!(target.modelet(["tenant", "list", "--json"]).json()["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(target.modelet(["function", "list", "--json"]).json()["functions"], json!([]));

    let said = import(&target, &file, &[]).done();
    assert!(said.starts_with("5 changes: all of it is here"), "{said}");
    assert_eq!(answers(&target), answers(&source));
    assert_eq!(listings(&target), listings(&source));
    let warm = target.modelet(["function", "show", "warm", "--json"]).json();
    assert_eq!(warm["instances"]["kept"], 1, "{warm}");
    let pinned = target.modelet(["model", "versions", "m", "--tenant", "acme", "--json"]).json();
    assert_eq!(pinned["versions"][1]["memory"]["pinned"], true, "{pinned}");

    let again = import(&target, &file, &["--json"]).json();
    assert!(changes(&again).iter().all(|change| change.starts_with("unchanged")), "{again}");
    target.kill_and_restart();
    assert_eq!(answers(&target), answers(&source));
    assert_eq!(listings(&target), listings(&source));
    let back = export(&target, "back.tar", &[]);
    let content = |file: &Path| {
        let (_, manifest) = unpack(&fs::read(file).unwrap()).remove(0);
        let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest["exported"].take();
        manifest
    };
    assert_eq!(content(&back), content(&file), "what was imported is exported again");
    assert_eq!(fs::metadata(&back).unwrap().len(), fs::metadata(&file).unwrap().len());
    let mode = fs::metadata(&back).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "for its owner alone");
    target.stop();
    source.stop();
}

#[test]
fn what_is_here_and_is_another_is_named_and_replaced_only_if_that_is_said() {
    let source = TestHost::start();
    let file = places::model("digits").display().to_string();
    source.modelet(["model", "push", &file, "--name", "m", "--label", "stable"]).done();
    source.deploy(&Function::guest("hello").named("f"));
    source.deploy(&Function::guest("hello").named("g"));
    let archive = export(&source, "a.tar", &[]);

    let target = TestHost::start();
    let other = places::model("dynamic_batch").display().to_string();
    target.modelet(["model", "push", &other, "--name", "m", "--label", "stable"]).done();
    target.deploy(&Function::guest("status").named("f"));
    let before = target.modelet(["model", "versions", "m", "--json"]).json();
    let line = import(&target, &archive, &[]).refused();
    let named =
        line.contains("the model default/m") && line.contains("the function default/f") && line.contains("--replace");
    assert!(named && line.contains("import-conflicts") && !line.contains("default/g"), "{line}");
    assert_eq!(target.modelet(["model", "versions", "m", "--json"]).json(), before);
    let _ = target.get("/g").problem(404, "not-found");

    let done = import(&target, &archive, &["--replace", "--json"]).json();
    assert_eq!(changes(&done), ["changed m", "changed f", "added g"], "{done}");
    assert!(done["notes"].to_string().contains("version 1 of the function default/f is version 2 here"), "{done}");
    assert_eq!((target.get("/f").ok().text(), target.get("/g").ok().text()), ("hello\n".into(), "hello\n".into()));
    let versions = target.modelet(["model", "versions", "m", "--json"]).json();
    let labels: Vec<_> = versions["versions"].as_array().unwrap().iter().map(|v| v["labels"].clone()).collect();
    assert_eq!(labels, [json!(["stable"]), json!([])], "what was here stays, as version 1");
    let again = import(&target, &archive, &["--replace", "--json"]).json();
    assert_eq!(changes(&again), ["unchanged m", "unchanged f", "unchanged g"]);
    target.modelet(["rollback", "f"]).done();
    assert_eq!(target.get("/f").ok().text(), "status 200\n");

    // A route that another function has.
    source.deploy(&Function::guest("hello").named("h").route("path = \"/taken\"\nauth = \"none\""));
    target.deploy(&Function::guest("status").named("i").route("path = \"/taken\"\nauth = \"none\""));
    let archive = export(&source, "b.tar", &[]);
    let line = import(&target, &archive, &["--replace"]).refused();
    assert!(line.contains("/taken"), "{line}");
    assert_eq!(target.get("/f").ok().text(), "status 200\n", "nothing of it is done");
    target.stop();
    source.stop();
}

#[test]
fn a_tenants_admin_exports_and_imports_its_own_and_nobody_elses() {
    let host = full();
    create(&host, "beta", &["/beta", "/acmes"]);
    let key = |tenant: &str, scope: &str| {
        host.modelet(["key", "create", "--scope", scope, "--tenant", tenant]).done().trim().to_owned()
    };
    let (admin, deployer) = (key("beta", "admin"), key("acme", "deploy"));
    let ask = |key: &str, method: &str, path: &str, body: &[u8]| {
        let bearer = format!("Bearer {key}");
        client::send(method, &format!("{}{path}", host.admin_url), &[("authorization", &bearer)], body).unwrap()
    };
    let _ = ask(&deployer, "GET", "/v1/export", b"").problem(403, "forbidden");
    let other = ask(&admin, "GET", "/v1/export?tenant=acme", b"").problem(404, "no-tenant");
    assert_eq!(
        other,
        ask(&admin, "GET", "/v1/export?tenant=ghost", b"").problem(404, "no-tenant").replace("ghost", "acme")
    );
    let own = unpack(&ask(&admin, "GET", "/v1/export", b"").ok().body);
    let manifest: Value = serde_json::from_slice(&own[0].1).unwrap();
    assert_eq!((own.len(), &manifest["tenants"][0]["name"]), (1, &json!("beta")), "{manifest}");
    assert!(
        !manifest.to_string().contains("acme/") && manifest["tenants"].as_array().unwrap().len() == 1,
        "{manifest}"
    );

    let all = fs::read(export(&host, "all.tar", &[])).unwrap();
    let detail = ask(&admin, "POST", "/v1/import", &all).problem(422, "bad-archive");
    assert!(detail.contains("--tenant T"), "{detail}");
    let _ = ask(&admin, "POST", "/v1/import?tenant=acme", &all).problem(404, "no-tenant");
    // Another tenant's archive becomes its own, where it may have what is in it.
    let acme = fs::read(export(&host, "acme.tar", &["--tenant", "acme"])).unwrap();
    let detail = ask(&admin, "POST", "/v1/import", &acme).problem(403, "path-not-given");
    assert!(detail.contains("/acme/split"), "{detail}");
    let mut entries = unpack(&acme);
    let text = String::from_utf8(entries[0].1.clone()).unwrap().replace("/acme/split", "/acmes/split");
    entries[0].1 = text.into_bytes();
    let imported = ask(&admin, "POST", "/v1/import", &pack(&entries)).ok().json();
    assert_eq!(changes(&imported), ["added m", "added split"], "{imported}");
    assert_eq!(host.get("/acmes/split").ok().text(), host.get("/acme/split").ok().text());
    let tenants = host.modelet(["tenant", "show", "beta", "--json"]).json();
    assert_eq!((&tenants["paths"], &tenants["limits"]), (&json!(["/acmes", "/beta"]), &json!({})), "{tenants}");
    host.stop();
}

/// Archives that no export writes, each with what is to be said of it.
fn hostile(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let entries = unpack(good);
    let manifest: Value = serde_json::from_slice(&entries[0].1).unwrap();
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
    let last = flipped.len() - 4096;
    flipped[last] ^= 1;
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
            with(&|m| m.pointer_mut(model()).unwrap()["versions"][0]["digest"] = m["blobs"][0]["digest"].clone()),
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
    let source = TestHost::start();
    source.deploy(&Function::guest("nn").named("f").model_file("m", &places::model("digits")));
    let good = fs::read(export(&source, "good.tar", &[])).unwrap();
    source.stop();
    let target = TestHost::start();
    assert!(unpack(&pack(&unpack(&good))) == unpack(&good), "the test's own archives are like those of an export");
    for (what, bytes, expected) in hostile(&good) {
        for query in ["", "?dry_run=true"] {
            let detail = target.admin("POST", &format!("/v1/import{query}"), &bytes).problem(422, "bad-archive");
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
    let source = TestHost::start();
    source.deploy(&Function::guest("nn").named("f").model_file("m", &places::model("digits")));
    let good = unpack(&fs::read(export(&source, "good.tar", &[])).unwrap());
    source.stop();
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

/// A file of an archive.
type Entry = (String, Vec<u8>);

/// The files of a tar of ours.
fn unpack(tar: &[u8]) -> Vec<Entry> {
    let (mut entries, mut rest) = (Vec::new(), tar);
    while rest.len() >= 512 && rest[0] != 0 {
        let text = |field: &[u8]| String::from_utf8(field.iter().copied().take_while(|b| *b != 0).collect()).unwrap();
        let bytes = usize::from_str_radix(text(&rest[124..136]).trim(), 8).unwrap();
        entries.push((text(&rest[..100]), rest[512..512 + bytes].to_vec()));
        rest = &rest[512 + bytes.div_ceil(512) * 512..];
    }
    entries
}

/// A tar of these files.
fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in entries {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000600\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        sum(&mut header);
        tar.extend_from_slice(&header);
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Writes the checksum of a header.
fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
