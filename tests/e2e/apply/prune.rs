//! `modelet apply --prune`: what no file names goes, but for what something uses that stays.

use super::{Files, inline, model};
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, places};
use serde_json::json;

#[test]
fn what_no_file_names_stays_unless_it_is_pruned() {
    let host = TestHost::start();
    let files = Files::of(&host);
    host.deploy(&Function::guest("hello").named("old").model_file("old-model", &places::model("digits")));
    files.write("a.toml", &inline("f", "hello", ""));
    assert_eq!(files.settle(&host, &[]), ["added function default/f"]);
    assert_eq!(host.get("/old").ok().text(), "hello\n");
    let said = files.apply(&host, &["--prune", "--dry-run"]).done();
    assert!(
        said.contains("- function default/old") && said.ends_with("2 removed, 1 unchanged; nothing is done yet\n"),
        "{said}"
    );
    assert_eq!(
        files.settle(&host, &["--prune"]),
        ["unchanged function default/f", "removed function default/old", "removed model default/old-model"]
    );
    let _ = host.get("/old").problem(404, "not-found");
    host.stop();
}

#[test]
fn a_function_whose_traffic_alone_is_named_stays_with_the_models_of_all_versions_that_serve() {
    let host = TestHost::start();
    let files = Files::of(&host);
    let version = |alias: &str| Function::guest("nn").named("f").model_file(alias, &places::model("digits"));
    ["first", "second", "third"].iter().for_each(|alias| host.deploy(&version(alias)));
    host.modelet(["traffic", "f", "1=50", "3=50"]).done();
    files.write("a.toml", "[[traffic]]\nfunction = \"f\"\nversions = { 1 = 50, 3 = 50 }\n");
    let done = files.settle(&host, &["--prune"]);
    assert_eq!(done, ["unchanged traffic default/f", "removed model default/second"]);
    // The function's own files come in: its older version goes on to get its part.
    version("third").lay(&files.0.join("f"));
    let done = files.settle(&host, &["--prune"]);
    assert_eq!(done, ["unchanged function default/f", "unchanged traffic default/f"]);
    files.write("a.toml", "[[traffic]]\nfunction = \"f\"\nversions = {}\n");
    let done = files.settle(&host, &["--prune"]);
    assert!(done.contains(&"removed model default/first".to_owned()), "{done:?}");
    host.stop();
}

#[test]
fn a_model_stays_that_another_tenants_function_uses() {
    let host = TestHost::start();
    let files = Files::of(&host);
    create(&host, "acme", &["/acme"]);
    create(&host, "beta", &["/beta"]);
    let digits = places::model("digits").display().to_string();
    for (name, to) in [("for-default", "default"), ("for-beta", "beta"), ("for-none", "beta")] {
        host.modelet(["model", "push", &digits, "--name", name, "--tenant", "acme"]).done();
        host.modelet(["model", "grant", name, "--to", to, "--tenant", "acme"]).done();
    }
    let user = |tenant: &str| {
        let route = format!("path = \"/{tenant}/user\"\nauth = \"none\"");
        Function::guest("nn").named("user").route(&route).model_ref("m", &format!("acme/for-{tenant}"))
    };
    // The files have one of the two users, and something else of the models' owner.
    user("default").lay(&files.0.join("user"));
    deploy(&host, "beta", &user("beta"));
    files.write("a.toml", &format!("[[model]]\nname = \"named\"\ntenant = \"acme\"\nsource = {}\n", model("digits")));
    let done = files.settle(&host, &["--prune"]);
    let expected = ["added model acme/named", "added function default/user", "removed model acme/for-none"];
    assert_eq!(done, expected);
    // A key of the owner's sees nobody else's functions: what is granted to them may be in use.
    let made = host.modelet(["key", "create", "--scope", "admin", "--tenant", "acme"]).done();
    files
        .write("only.toml", &format!("[[model]]\nname = \"named\"\ntenant = \"acme\"\nsource = {}\n", model("digits")));
    let mut own = modelet_tests::cli::modelet();
    own.args(["apply", &files.0.join("only.toml").display().to_string(), "--prune", "--dry-run", "--json"]);
    own.env("MODELET_URL", &host.admin_url).env("MODELET_KEY", made.trim());
    assert_eq!(super::changes(&modelet_tests::cli::ran(&mut own).json()), ["unchanged model acme/named"]);
    std::fs::remove_file(files.0.join("only.toml")).unwrap();

    host.modelet(["function", "remove", "user", "--tenant", "beta"]).done();
    let done = files.settle(&host, &["--prune"]);
    assert!(done.contains(&"removed model acme/for-beta".to_owned()), "{done:?}");
    let left = host.modelet(["model", "list", "--tenant", "acme", "--json"]).json();
    let names: Vec<_> = left["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!(names, [json!("for-default"), json!("named")]);
    host.stop();
}
