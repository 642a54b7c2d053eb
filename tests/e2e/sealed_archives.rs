//! Secrets in an export: only under a passphrase, for the operator alone, and opened nowhere else than where they were sealed for.

use modelet_tests::archive::{Entry, pack, unpack};
use modelet_tests::cli::{self, Ran};
use modelet_tests::files::lies_in;
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client, places};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSPHRASE: &str = "c0rrect horse b4ttery stäple";
/// `PASSPHRASE` in base64, as the header has it.
const HEADER: &str = "YzBycmVjdCBob3JzZSBiNHR0ZXJ5IHN0w6RwbGU=";
const VALUE: &str = "v4lu3-th4t-tr4v3ls-und3r-4-p4ssphr4s3";
const OTHER: &str = "an0th3r-v4lu3-0f-an0th3r-t3nant";

fn set(host: &TestHost, tenant: &str, name: &str, value: &str) {
    host.modelet_fed(["secret", "set", name, "--tenant", tenant], value.as_bytes()).done();
}

/// Two tenants with a secret of the same name each, and functions that read them.
fn source() -> TestHost {
    let host = TestHost::configured("[server]\nlog = \"trace\"\n");
    create(&host, "acme", &["/acme"]);
    for (tenant, route, value) in [("acme", "/acme/pays", VALUE), ("default", "/pays", OTHER)] {
        set(&host, tenant, "stripe", value);
        let function = Function::guest("settings").named("pays").with("[config]\nkey = { secret = \"stripe\" }\n");
        deploy(&host, tenant, &function.route(&format!("path = \"{route}\"\nauth = \"none\"")));
    }
    set(&host, "acme", "unused", "another-secret-of-acme");
    host
}

fn passphrase(host: &TestHost, text: &str) -> PathBuf {
    let file = host.scratch().join("passphrase.txt");
    fs::write(&file, format!("{text}\n")).unwrap();
    file
}

fn export(host: &TestHost) -> PathBuf {
    let (file, passphrase) = (host.scratch().join("sealed.tar"), passphrase(host, PASSPHRASE));
    let (file_name, passphrase) = (file.display().to_string(), passphrase.display().to_string());
    let said = host.modelet(["export", &file_name, "--secrets", "--passphrase-file", &passphrase]).done();
    assert!(said.contains("3 secrets under the passphrase") && !said.contains("not in it: secrets"), "{said}");
    file
}

fn import(host: &TestHost, file: &Path, more: &[&str]) -> Ran {
    let path = file.display().to_string();
    let mut command = cli::modelet();
    command.args(["import", &path]).args(more).arg("--data-dir").arg(host.data_dir());
    cli::fed(&mut command, b"")
}

fn read(host: &TestHost, path: &str) -> Value {
    host.get(&format!("{path}?key=key&quiet=")).ok().json()["one"].clone()
}

fn names(host: &TestHost, tenant: &str) -> Vec<String> {
    let listed = host.modelet(["secret", "list", "--tenant", tenant, "--json"]).json();
    listed["secrets"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn secrets_travel_under_a_passphrase_and_are_nowhere_to_be_read() {
    let mut source = source();
    let file = export(&source);
    let bytes = fs::read(&file).unwrap();
    for private in [VALUE, OTHER, PASSPHRASE, HEADER] {
        assert!(!bytes.windows(private.len()).any(|window| window == private.as_bytes()), "{private} is in the file");
    }
    let audit = source.modelet(["audit", "--kind", "secret.export", "--json"]).json();
    let rows: Vec<_> =
        audit["changes"].as_array().unwrap().iter().map(|row| (&row["tenant"], &row["detail"])).collect();
    assert_eq!(rows, [(&json!("default"), &json!("stripe")), (&json!("acme"), &json!("stripe, unused"))], "{audit}");

    let mut target = TestHost::configured("[server]\nlog = \"trace\"\n");
    let (right, wrong) = (passphrase(&source, PASSPHRASE), target.scratch().join("wrong.txt"));
    fs::write(&wrong, "this is not the one").unwrap();
    let (right, wrong) = (right.display().to_string(), wrong.display().to_string());
    let mut told = vec![import(&target, &file, &[]).refused()];
    assert!(told[0].contains("has 3 secrets") && told[0].contains("--without-secrets"), "{told:?}");
    told.push(import(&target, &file, &["--passphrase-file", &wrong]).refused());
    assert!(told[1].contains("wrong-passphrase") && told[1].contains("nothing has changed"), "{told:?}");
    assert_eq!(target.modelet(["tenant", "list", "--json"]).json()["tenants"].as_array().unwrap().len(), 1);
    told.push(import(&target, &file, &["--passphrase-file", &right, "--dry-run", "--json"]).done());
    assert!(names(&target, "default").is_empty(), "a dry run keeps nothing");
    let mut done = import(&target, &file, &["--passphrase-file", &right, "--json"]).json();
    let notes = done["notes"].take();
    assert!(notes.is_null(), "nothing is left to be set: {notes}");
    told.push(done.to_string());
    assert_eq!((read(&target, "/acme/pays"), read(&target, "/pays")), (json!(VALUE), json!(OTHER)));
    assert_eq!(names(&target, "acme"), ["stripe", "unused"]);

    // The same again changes nothing; another value is served only if that is said, and then at once.
    let again = import(&target, &file, &["--passphrase-file", &right]).done();
    assert!(again.starts_with("all of it is here already"), "{again}");
    set(&target, "acme", "stripe", "set-here");
    told.push(import(&target, &file, &["--passphrase-file", &right]).refused());
    assert!(told.last().unwrap().contains("the secret acme/stripe"), "{told:?}");
    assert_eq!(read(&target, "/acme/pays"), "set-here");
    told.push(import(&target, &file, &["--passphrase-file", &right, "--replace"]).done());
    assert_eq!(read(&target, "/acme/pays"), VALUE);
    target.restart();
    assert_eq!(read(&target, "/acme/pays"), VALUE, "it is sealed with the key of this server");
    target.halt();
    source.halt();
    for private in [VALUE, OTHER, PASSPHRASE, HEADER] {
        told.iter().for_each(|told| assert!(!told.contains(private), "{told}"));
        for host in [&source, &target] {
            assert!(!host.log().contains(private), "the log has {private}");
            assert_eq!(lies_in(&host.data_dir(), private.as_bytes()), None);
        }
    }
    assert!(source.log().contains("exported secrets under a passphrase"), "what was looked through is the log");
}

/// Runs a command at a terminal, types each line once it is asked for, and returns what the terminal shows and the exit status.
fn typed(host: &TestHost, arguments: &str, lines: &[(&str, &str)]) -> (String, Option<i32>) {
    let line = format!("{} {arguments} --data-dir {}", places::modelet().display(), host.data_dir().display());
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(host.scratch());
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut shown = Vec::new();
    for (asked, line) in lines {
        let from = shown.len();
        while !String::from_utf8_lossy(&shown[from..]).contains(asked) {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "it ended: {}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        writeln!(keys, "{line}").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    (String::from_utf8_lossy(&shown).into_owned(), terminal.wait().unwrap().code())
}

#[test]
fn a_passphrase_is_typed_twice_for_an_export_once_for_an_import_and_never_shown() {
    let (source, target) = (source(), TestHost::start());
    let (asked, again) = ("passphrase of the archive", "the same again");
    let export = "export typed.tar --secrets";
    let (shown, status) = typed(&source, export, &[(asked, PASSPHRASE), (again, "something else")]);
    assert!(status == Some(1) && shown.contains("these were two") && !shown.contains("something else"), "{shown}");
    let (shown, status) = typed(&source, export, &[(asked, PASSPHRASE), (again, PASSPHRASE)]);
    assert!(status == Some(0) && shown.contains("3 secrets under the passphrase"), "{shown}");
    assert!(!shown.contains(PASSPHRASE), "{shown}");
    let import = format!("import {}", source.scratch().join("typed.tar").display());
    let (shown, status) = typed(&target, &import, &[(asked, PASSPHRASE)]);
    assert!(status == Some(0) && shown.contains("all of it is here") && !shown.contains(PASSPHRASE), "{shown}");
    assert_eq!(read(&target, "/acme/pays"), VALUE);
    target.stop();
    source.stop();
}

#[test]
fn secrets_can_stay_out_of_an_import_and_nobody_but_the_operator_gets_or_brings_them() {
    let source = source();
    let file = export(&source);
    let target = TestHost::start();
    let said = import(&target, &file, &["--without-secrets", "--json"]).json();
    let notes = said["notes"].to_string();
    assert!(
        notes.contains("3 secrets of the archive stay out") && notes.contains("modelet secret set stripe"),
        "{notes}"
    );
    assert!(names(&target, "acme").is_empty());
    // Neither a terminal nor a file: nobody can be asked.
    let mut command = cli::modelet();
    command.args(["export", "other.tar", "--secrets", "--data-dir"]).arg(source.data_dir());
    let line = cli::fed(command.current_dir(source.scratch()), b"").refused();
    assert!(line.contains("--passphrase-file") && !source.scratch().join("other.tar").exists(), "{line}");

    let admin = source.modelet(["key", "create", "--scope", "admin", "--tenant", "acme"]).done().trim().to_owned();
    let acme = source.scratch().join("acme.tar");
    let phrase = passphrase(&source, PASSPHRASE).display().to_string();
    let only = ["--tenant", "acme", "--secrets", "--passphrase-file", &phrase];
    source.modelet(["export", &acme.display().to_string()].iter().chain(&only)).done();
    let acme = fs::read(acme).unwrap();
    let manifest: Value = serde_json::from_slice(&unpack(&acme)[0].1).unwrap();
    assert_eq!(manifest["tenants"].as_array().unwrap().len(), 1, "{manifest}");
    let ask = |key: &str, method: &str, path: &str, passphrase: Option<&str>, body: &[u8]| {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(passphrase.map(|passphrase| ("modelet-passphrase", passphrase)));
        client::send(method, &format!("{}{path}", source.admin_url), &headers, body).unwrap()
    };
    let _ = ask(&admin, "GET", "/v1/export", Some(HEADER), b"").problem(403, "not-the-operator");
    let _ = ask(&admin, "POST", "/v1/import", Some(HEADER), &acme).problem(403, "not-the-operator");
    let _ = ask(&admin, "POST", "/v1/import", None, &acme).problem(422, "passphrase-needed");
    assert_eq!(ask(&admin, "POST", "/v1/import?without_secrets=true", None, &acme).status, 200);
    let operator = source.key();
    for (what, header, path, method) in [
        ("too short", "c2hvcnQ=", "/v1/export", "GET"),
        ("no base64", "not base64!", "/v1/export", "GET"),
        ("no text", "////////////////////////", "/v1/export", "GET"),
        ("empty", "", "/v1/export", "GET"),
        ("both", HEADER, "/v1/import?without_secrets=true", "POST"),
    ] {
        let refused = ask(&operator, method, path, Some(header), b"").problem(400, "bad-request");
        assert!(header.is_empty() || !refused.contains(header), "{what}: {refused}");
    }
    target.stop();
    source.stop();
}

#[test]
fn sealed_secrets_that_were_changed_in_any_way_are_refused_and_nothing_is_imported() {
    let source = source();
    let entries: Vec<Entry> = unpack(&fs::read(export(&source)).unwrap());
    source.stop();
    let manifest: Value = serde_json::from_slice(&entries[0].1).unwrap();
    let (acme, default) = ("/tenants/0/secrets/0", "/tenants/1/secrets/0");
    let name = |at: &str| manifest.pointer(&format!("{at}/name")).unwrap().clone();
    assert_eq!(
        (name(acme), name(default), &manifest["tenants"][0]["name"]),
        (json!("stripe"), json!("stripe"), &json!("acme"))
    );
    let sealed = |at: &str| manifest.pointer(&format!("{at}/sealed")).unwrap().clone();
    let seal = |field: &'static str, value: Value| move |m: &mut Value| m["seal"][field] = value.clone();
    type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let changes: Vec<(&str, Change<'_>, &str, &str)> = vec![
        (
            "another tenant's",
            Box::new(|m| m.pointer_mut(acme).unwrap()["sealed"] = sealed(default)),
            "bad-archive",
            "the secret acme/stripe is damaged",
        ),
        (
            "another name's",
            Box::new(|m| m.pointer_mut(acme).unwrap()["sealed"] = sealed("/tenants/0/secrets/1")),
            "bad-archive",
            "the secret acme/stripe is damaged",
        ),
        (
            "renamed",
            Box::new(|m| m.pointer_mut(acme).unwrap()["name"] = json!("other")),
            "wrong-passphrase",
            "was changed",
        ),
        (
            "taken out",
            Box::new(|m| drop(m["tenants"][0]["secrets"].as_array_mut().unwrap().pop())),
            "wrong-passphrase",
            "was changed",
        ),
        (
            "moved to another tenant",
            Box::new(|m| {
                let moved = m["tenants"][0]["secrets"].as_array_mut().unwrap().pop().unwrap();
                m["tenants"][1]["secrets"].as_array_mut().unwrap().push(moved);
            }),
            "wrong-passphrase",
            "was changed",
        ),
        (
            "twice",
            Box::new(|m| {
                let twice = m.pointer(acme).unwrap().clone();
                m["tenants"][0]["secrets"].as_array_mut().unwrap().push(twice);
            }),
            "bad-archive",
            "the secret stripe is there twice",
        ),
        (
            "a bit of it",
            Box::new(|m| {
                let text = sealed(acme).as_str().unwrap().to_owned();
                let other = if text.starts_with('A') { "B" } else { "A" };
                m.pointer_mut(acme).unwrap()["sealed"] = json!(format!("{other}{}", &text[1..]));
            }),
            "bad-archive",
            "the secret acme/stripe is damaged",
        ),
        ("no base64", Box::new(|m| m.pointer_mut(acme).unwrap()["sealed"] = json!("%")), "bad-archive", "no base64"),
        ("nothing", Box::new(|m| m.pointer_mut(acme).unwrap()["sealed"] = json!("")), "bad-archive", "is damaged"),
        (
            "no seal",
            Box::new(|m| drop(m.as_object_mut().unwrap().remove("seal"))),
            "bad-archive",
            "does not say how they are sealed",
        ),
        ("less memory", Box::new(seal("memory_kib", json!(1024))), "wrong-passphrase", "was changed"),
        ("another salt", Box::new(seal("salt", json!("AAAAAAAAAAAAAAAAAAAAAA=="))), "wrong-passphrase", "was changed"),
        ("all memory", Box::new(seal("memory_kib", json!(u32::MAX))), "bad-archive", "`memory_kib` 4294967295"),
        ("all time", Box::new(seal("passes", json!(1_000_000))), "bad-archive", "`passes` 1000000"),
        ("all lanes", Box::new(seal("lanes", json!(1 << 20))), "bad-archive", "`lanes` 1048576"),
        ("no memory", Box::new(seal("memory_kib", json!(0))), "bad-archive", "as nothing can be"),
        ("no lanes", Box::new(seal("lanes", json!(0))), "bad-archive", "as nothing can be"),
        ("a salt of nothing", Box::new(seal("salt", json!(""))), "bad-archive", "a salt of 0 bytes"),
        ("another function", Box::new(seal("kdf", json!("md5"))), "bad-archive", "\"md5\""),
        ("a number that is none", Box::new(seal("memory_kib", json!(-1))), "bad-archive", "cannot be read"),
    ];
    let target = TestHost::start();
    let bearer = format!("Bearer {}", target.key());
    let ask = |archive: &[u8]| {
        let headers = [("authorization", bearer.as_str()), ("modelet-passphrase", HEADER)];
        client::send("POST", &format!("{}/v1/import", target.admin_url), &headers, archive).unwrap()
    };
    for (what, change, code, expected) in changes {
        let (mut manifest, mut entries) = (manifest.clone(), entries.clone());
        change(&mut manifest);
        entries[0].1 = manifest.to_string().into_bytes();
        let answer = ask(&pack(&entries));
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
        let detail = answer.problem(422, code);
        assert!(detail.contains(expected) && !detail.contains(VALUE), "{what}: {detail}");
        assert_eq!(
            target.modelet(["tenant", "list", "--json"]).json()["tenants"].as_array().unwrap().len(),
            1,
            "{what}"
        );
    }
    assert!(names(&target, "default").is_empty());
    assert_eq!(ask(&pack(&entries)).status, 200);
    assert_eq!(read(&target, "/acme/pays"), VALUE);
    target.stop();
}
