//! Listings that are longer than a page, by the API and by the command line.

use std::collections::BTreeSet;

use modelet_tests::tenants::create;
use modelet_tests::{Function, TestHost};

/// The entries of all pages, each as its own list.
fn pages(host: &TestHost, path: &str, (entries, name): (&str, &str), limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = host.admin("GET", &format!("{path}{separator}limit={limit}{after}"), b"").ok().json();
        let shown = page[entries].as_array().unwrap();
        pages.push(shown.iter().map(|entry| entry[name].to_string().replace('"', "")).collect());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return pages,
        }
    }
}

fn lengths(pages: &[Vec<String>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

#[test]
fn a_listing_comes_in_pages_that_have_every_entry_once_and_in_order() {
    let host = TestHost::start();
    let names = ["a", "a-b", "b", "c", "z"];
    for name in names {
        host.deploy(&Function::guest("hello").named(name).route(&format!("path = \"/{name}\"")));
    }
    let functions = pages(&host, "/v1/functions", ("functions", "name"), 2);
    assert_eq!((lengths(&functions), functions.concat()), (vec![2, 2, 1], names.map(str::to_owned).to_vec()));
    // A page that is just full is the last one.
    assert_eq!(lengths(&pages(&host, "/v1/functions", ("functions", "name"), 5)), [5]);

    for setting in 2..=4 {
        host.deploy(
            &Function::guest("hello").named("a").route("path = \"/a\"").with(&format!("[config]\nn = \"{setting}\"\n")),
        );
    }
    let versions = pages(&host, "/v1/functions/a/versions", ("versions", "version"), 3);
    assert_eq!(versions, [vec!["4", "3", "2"], vec!["1"]], "the newest first");
    for name in ["one", "two", "three"] {
        create(&host, name, &[&format!("/{name}")]);
    }
    let tenants = pages(&host, "/v1/tenants", ("tenants", "name"), 3);
    assert_eq!(tenants, [vec!["default", "one", "three"], vec!["two"]]);
    host.stop();
}

#[test]
fn what_goes_between_two_pages_moves_nothing_else() {
    let host = TestHost::start();
    for name in ["a", "b", "c", "d"] {
        host.deploy(&Function::guest("hello").named(name).route(&format!("path = \"/{name}\"")));
    }
    let page = host.admin("GET", "/v1/functions?limit=2", b"").ok().json();
    let next = page["next"].as_str().unwrap().to_owned();
    host.modelet(["function", "remove", "b", "--force"]).done();
    host.modelet(["function", "remove", "a", "--force"]).done();
    let rest = host.admin("GET", &format!("/v1/functions?limit=2&after={next}"), b"").ok().json();
    let names: Vec<&str> =
        rest["functions"].as_array().unwrap().iter().map(|function| function["name"].as_str().unwrap()).collect();
    assert_eq!((names, rest.get("next")), (vec!["c", "d"], None));
    host.stop();
}

#[test]
fn the_command_line_has_the_whole_listing_and_the_api_refuses_what_is_no_page() {
    let host = TestHost::start();
    for _ in 0..120 {
        let made = host.admin("POST", "/v1/keys", br#"{"scopes":["read"]}"#);
        assert_eq!(made.status, 201, "{made:?}");
    }
    let page = host.admin("GET", "/v1/keys", b"").ok().json();
    assert_eq!(page["keys"].as_array().unwrap().len(), 100, "so many where nothing is said");
    let listed = host.modelet(["key", "list", "--json"]).json();
    let ids: BTreeSet<&str> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), listed.get("next")), (121, None), "with the key of the data directory");
    for wrong in ["limit=0", "limit=1001", "limit=-1", "after=zz", "after="] {
        host.admin("GET", &format!("/v1/keys?{wrong}"), b"").problem(400, "bad-request");
    }
    host.stop();
}
