//! `modelet apply`: what files say becomes what the server has, once.

mod asked;
mod prune;

use modelet_tests::archive;
use modelet_tests::cli::Ran;
use modelet_tests::{Function, TestHost, places};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// A folder of files to apply.
struct Files(PathBuf);

impl Files {
    fn of(host: &TestHost) -> Self {
        let folder = host.scratch().join("desired");
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn apply(&self, host: &TestHost, more: &[&str]) -> Ran {
        let path = self.0.display().to_string();
        host.modelet(["apply", &path].iter().chain(more))
    }

    /// What was done, as `change kind name`, and that a dry run before said the same and a second time says nothing.
    fn settle(&self, host: &TestHost, more: &[&str]) -> Vec<String> {
        let more: Vec<&str> = more.iter().chain(&["--json"]).copied().collect();
        let dry: Vec<&str> = more.iter().chain(&["--dry-run"]).copied().collect();
        let before = server(host);
        let would = self.apply(host, &dry).json();
        assert_eq!(server(host), before, "a dry run changes nothing");
        let done = self.apply(host, &more).json();
        assert_eq!(would["items"], done["items"]);
        let after = server(host);
        let again = self.apply(host, &more).json();
        let changed = changes(&again);
        assert!(changed.iter().all(|line| line.starts_with("unchanged")), "a second time: {again}");
        assert_eq!(server(host), after);
        changes(&done)
    }
}

fn changes(applied: &Value) -> Vec<String> {
    let items = applied["items"].as_array().unwrap().iter();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    items.map(|i| format!("{} {} {}", text(i, "change"), text(i, "kind"), text(i, "name"))).collect()
}

/// All that a server has, as its export says it.
fn server(host: &TestHost) -> Value {
    let file = host.scratch().join("state.tar");
    let _ = fs::remove_file(&file);
    host.modelet(["export", &file.display().to_string()]).done();
    let mut manifest = archive::manifest(&fs::read(&file).unwrap());
    manifest["exported"].take();
    manifest
}

fn model(name: &str) -> String {
    format!("{:?}", places::model(name).display().to_string())
}

fn inline(name: &str, guest: &str, more: &str) -> String {
    let component = places::guest(guest).display().to_string();
    format!(
        "[[function]]\ncomponent = {component:?}\n{more}\n[function.manifest]\nname = {name:?}\n[[function.manifest.route]]\npath = \"/{name}\"\nauth = \"none\"\n"
    )
}

#[test]
fn what_files_say_is_made_so_in_the_order_of_dependencies_and_a_second_time_nothing_is() {
    let host = TestHost::start();
    let files = Files::of(&host);
    let digits = model("digits");
    // The function that uses the model, the model, and its tenant are in files of the reverse order.
    files.write(
        "c.toml",
        "[[tenant]]\nname = \"acme\"\npaths = [\"/acme\"]\nlimits = { concurrency = 8, memory = \"256MiB\" }\n",
    );
    files.write("b.toml", &format!("[[model]]\nname = \"m\"\ntenant = \"acme\"\nsource = {digits}\nlabels = [\"stable\"]\npinned = true\ngrants = [\"default\"]\n"));
    let user = Function::guest("nn").named("user").model_ref("m", "acme/m").model_file("own", &places::model("digits"));
    user.lay(&files.0.join("user"));
    files.write(
        "a.toml",
        &format!("{}[[traffic]]\nfunction = \"f\"\nversions = {{ latest = 100 }}\n", inline("f", "hello", "min = 1")),
    );
    let done = files.settle(&host, &[]);
    let expected = [
        "added tenant acme",
        "added model acme/m",
        "added function default/f",
        "added function default/user",
        "added traffic default/f",
    ];
    assert_eq!(done, expected);
    assert_eq!(host.get("/f").ok().text(), "hello\n");
    let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
    assert_eq!((&shown["limits"]["concurrency"], &shown["paths"]), (&json!(8), &json!(["/acme"])));
    let shown = host.modelet(["function", "show", "f", "--json"]).json();
    assert_eq!((&shown["instances"]["kept"], &shown["percent"]), (&json!(1), &json!(100)));
    let said = files.apply(&host, &[]).done();
    assert!(said.contains("= function default/f") && said.ends_with("5 unchanged; nothing to do\n"), "{said}");

    // A change of each kind.
    files.write(
        "c.toml",
        "[[tenant]]\nname = \"acme\"\npaths = [\"/acme/inner\", \"/more\"]\nlimits = { concurrency = 4 }\n",
    );
    files.write("b.toml", &format!("[[model]]\nname = \"m\"\ntenant = \"acme\"\nsource = {}\nlabels = [\"stable\"]\ngrants = [{{ to = \"default\", share_batch = true }}]\n", model("identity_f32")));
    files.write(
        "a.toml",
        &format!(
            "{}[[traffic]]\nfunction = \"f\"\nversions = {{ 1 = 40, latest = 60 }}\nsticky = \"X-User\"\nshadow = 1\n",
            inline("f", "status", "")
        ),
    );
    let before = server(&host);
    let line = files.apply(&host, &[]).refused();
    assert!(line.contains("the traffic of default/f: ") && line.contains("the shadow must be another"), "{line}");
    assert_eq!(server(&host), before, "it is told before anything is done");
    files.write(
        "a.toml",
        &format!(
            "{}[[traffic]]\nfunction = \"f\"\nversions = {{ 1 = 40, latest = 60 }}\nsticky = \"X-User\"\n",
            inline("f", "status", "")
        ),
    );
    assert_eq!(
        files.settle(&host, &[]),
        [
            "changed tenant acme",
            "changed model acme/m",
            "changed function default/f",
            "changed function default/user",
            "changed traffic default/f"
        ]
    );
    let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
    assert_eq!(shown["paths"], json!(["/acme/inner", "/more"]));
    let limits = host.modelet(["tenant", "limits", "acme", "--json"]).json();
    assert_eq!(limits, json!({ "concurrency": 4 }));
    let bound = host.modelet(["function", "show", "user", "--json"]).json();
    let version = bound["models"].as_array().unwrap().iter().find(|m| m["alias"] == "m").unwrap()["version"].clone();
    assert_eq!(version, 2, "it is bound to what its reference means now: {bound}");
    let traffic = host.modelet(["traffic", "f", "--json"]).json();
    assert_eq!(traffic["traffic"]["parts"], json!([{"version": 1, "percent": 40}, {"version": 2, "percent": 60}]));
    files.write("d.toml", "[[traffic]]\nfunction = \"user\"\nversions = { 1 = 50, 9 = 50 }\n");
    let line = files.apply(&host, &["--dry-run"]).refused();
    assert!(line.contains("the traffic of default/user: there is no version 9, and the newest will be 2"), "{line}");
    fs::remove_file(files.0.join("d.toml")).unwrap();
    // Somebody goes back by hand; the files say otherwise.
    files.write("a.toml", &format!("{}[[traffic]]\nfunction = \"f\"\nversions = {{}}\n", inline("f", "status", "")));
    host.modelet(["rollback", "f", "--to", "1"]).done();
    files.write("a.toml", &inline("f", "status", ""));
    assert!(files.settle(&host, &[]).contains(&"changed function default/f".to_owned()));
    assert_eq!(host.get("/f").ok().text(), "status 200\n");
    host.stop();
}

#[test]
fn what_stays_as_it_is_is_not_changed_beside_what_does_not() {
    let host = TestHost::start();
    let files = Files::of(&host);
    // A name that may not stand on a server, and a card: it is called model.onnx there.
    let (source, card) = (files.0.join("digits~1.onnx"), files.0.join("card.txt"));
    fs::copy(places::model("digits"), &source).unwrap();
    fs::write(&card, "licence = \"MIT\"\n").unwrap();
    files.write("m.toml", "[[model]]\nname = \"m\"\nsource = \"digits~1.onnx\"\ncard = \"card.txt\"\n");
    let tenant = |limits: &str| {
        files.write("t.toml", &format!("[[tenant]]\nname = \"acme\"\npaths = [\"/acme\"]\nlimits = {{ {limits} }}\n"));
    };
    let limits = || host.modelet(["tenant", "limits", "acme", "--json"]).json();
    tenant("concurrency = 8, memory = \"256MiB\", weight = 2");
    assert_eq!(files.settle(&host, &[]), ["added tenant acme", "added model default/m"]);
    tenant("concurrency = 8, memory = \"512MiB\", queue = 3");
    let said = files.apply(&host, &["--dry-run"]).done();
    assert!(said.contains("    limits memory=512MiB queue=3 weight=none\n"), "{said}");
    assert_eq!(files.settle(&host, &[]), ["changed tenant acme", "unchanged model default/m"]);
    assert_eq!(limits(), json!({ "concurrency": 8, "memory": "512MiB", "queue": 3 }));
    tenant("");
    assert_eq!(files.settle(&host, &[])[0], "changed tenant acme");
    assert_eq!(limits(), json!({}));
    host.stop();
}

#[test]
fn every_fault_of_all_files_is_told_at_once_and_nothing_is_done() {
    let host = TestHost::start();
    let files = Files::of(&host);
    files.write("a.toml", "[[tenant]]\nname = \"UPPER\"\n\n[[model]]\nnam = \"m\"\nsource = \"nowhere.onnx\"\n");
    files.write("b.toml", "[[function]]\nmin = -1\n[[traffic]]\nfunction = \"f\"\nversions = { newest = 1 }\n");
    files.write("c.toml", &format!("{}{}", inline("f", "hello", ""), inline("f", "hello", "")));
    files.write("d.toml", &inline("g", "hello", "").replace("path = \"/g\"", "path = \"g\""));
    fs::create_dir_all(files.0.join("folder")).unwrap();
    files.write("folder/function.toml", "name = \"x\"\nbanana = 1\n");
    let ran = files.apply(&host, &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    for expected in [
        "a.toml:2: tenant[0].name",
        "a.toml:4: model[0].name is missing",
        "a.toml:5: unknown key \"nam\"",
        "nowhere.onnx is not there",
        "b.toml:2: function[0].min",
        "b.toml:1: a function is source",
        "b.toml:5: traffic[0].versions.newest",
        "d.toml:7: function[0].manifest.route[0].path",
        "folder/function.toml:2: unknown key \"banana\"",
        "the function default/f is there twice",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    assert_eq!(host.modelet(["function", "list", "--json"]).json()["functions"], json!([]));
    let empty = host.scratch().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(host.modelet(["apply", &empty.display().to_string()]).refused().contains("neither a .toml file nor"));
    host.stop();
}

#[test]
fn it_stops_at_the_first_failure_and_says_what_was_done_and_what_was_not() {
    let host = TestHost::start();
    let files = Files::of(&host);
    let garbage = host.scratch().join("garbage.wasm");
    fs::write(&garbage, "garbage").unwrap();
    let broken =
        inline("b", "hello", "").replace(&places::guest("hello").display().to_string(), &garbage.display().to_string());
    files.write("a.toml", &format!("{}{broken}{}", inline("a", "hello", ""), inline("c", "hello", "")));
    let line = files.apply(&host, &[]).refused();
    assert!(line.contains("stopped at function default/b") && line.contains("bad-component"), "{line}");
    assert!(line.contains("Done: function default/a. Not done: function default/c"), "{line}");
    assert_eq!((host.get("/a").status, host.get("/c").status), (200, 404));
    files.write("a.toml", &format!("{}{}", inline("a", "hello", ""), inline("c", "hello", "")));
    assert_eq!(files.settle(&host, &[]), ["unchanged function default/a", "added function default/c"]);
    host.stop();
}

#[test]
fn the_example_is_one() {
    let host = TestHost::start();
    let example = places::repository().join("examples/apply").display().to_string();
    let said = host.modelet(["apply", &example]).done();
    assert!(said.ends_with("3 added, 0 changed, 0 removed, 0 unchanged\n"), "{said}");
    assert!(host.modelet(["apply", &example]).done().ends_with("3 unchanged; nothing to do\n"));
    host.stop();
}
