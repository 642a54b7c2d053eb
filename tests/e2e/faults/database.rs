//! Databases that are damaged, gone, of a newer server or somebody else's: no server begins with them, and none of them is changed.

use super::{assert_serves, furnish, listed, pair};
use modelet_tests::TestHost;
use modelet_tests::cli::refused_start;
use std::fs;

const PAGE: usize = 4096;
/// Where SQLite keeps a database's numbers: `user_version` and `application_id`, four bytes each.
const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

/// What is done to a database's bytes, and what the server says.
type Fault = (&'static str, fn(&mut Vec<u8>), &'static str);

const FAULTS: [Fault; 5] = [
    ("garbage from the first byte", |bytes| bytes.fill(0xa5), "is not a database of modelet"),
    ("garbage after the first page", |bytes| garbage(bytes), "is damaged"),
    ("the half of it", |bytes| bytes.truncate(bytes.len() / 2 / PAGE * PAGE), "is damaged"),
    ("a newer schema", |bytes| bytes[USER_VERSION..][..4].copy_from_slice(&[0, 0, 3, 231]), "has the schema 999"),
    ("somebody else's", |bytes| bytes[APPLICATION_ID..][..4].copy_from_slice(b"ABCD"), "is not a database of modelet"),
];

fn garbage(bytes: &mut [u8]) {
    bytes[PAGE..].fill(0xa5);
}

#[test]
fn a_database_that_is_damaged_newer_or_foreign_is_named_and_left_as_it_is() {
    let mut host = TestHost::start();
    furnish(&host);
    let before = listed(&host);
    host.halt();
    for name in ["modelet.db", "keyvalue.db", "usage.db"] {
        let file = host.data_dir().join(name);
        let whole = fs::read(&file).unwrap();
        // Of the others nothing is read before somebody asks for it: the next test.
        let at_start = |fault: &&Fault| name == "modelet.db" || fault.2 != "is damaged" || fault.0 == "the half of it";
        for (fault, damage, told) in FAULTS.iter().filter(at_start) {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            fs::write(&file, &bytes).unwrap();
            let line = refused_start(&host.data_dir());
            assert!(line.contains(told) && line.contains(name), "{fault} in {name}: {line}");
            assert!(fs::read(&file).unwrap() == bytes, "{fault}: {name} was changed");
        }
        fs::write(&file, &whole).unwrap();
    }
    host.start_again();
    assert_eq!(listed(&host), before);
    assert_serves(&host);
    host.stop();
}

#[test]
fn damage_of_what_functions_keep_costs_those_that_ask_for_it_and_nobody_else() {
    let mut host = TestHost::start();
    furnish(&host);
    host.halt();
    let file = host.data_dir().join("keyvalue.db");
    let whole = fs::read(&file).unwrap();
    let mut bytes = whole.clone();
    garbage(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    host.start_again();
    let asked = pair(&host, "do=get&key=kept");
    assert!(asked["error"].is_string() && !asked.to_string().contains('/'), "{asked}");
    let _ = host.logged(&["what functions keep cannot be read or written", "keyvalue.db is damaged"]);
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    host.halt();
    let said = host.modelet(["doctor", "--verify"]).stdout;
    assert!(said.contains("keyvalue.db is damaged"), "{said}");
    fs::write(&file, &whole).unwrap();
    host.start_again();
    assert_serves(&host);
    host.stop();
}

#[test]
fn a_database_that_is_gone_is_not_begun_anew_where_contents_are() {
    let mut host = TestHost::start();
    furnish(&host);
    let before = listed(&host);
    host.halt();
    let file = host.data_dir().join("modelet.db");
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        let line = refused_start(&host.data_dir());
        assert!(line.contains("modelet.db is missing or empty") && line.contains("backup"), "{line}");
        // An empty file is what a restore leaves that broke off.
        fs::write(&file, "").unwrap();
    }
    fs::write(&file, &whole).unwrap();
    host.start_again();
    assert_eq!(listed(&host), before);
    assert_serves(&host);
    host.stop();
}

#[test]
fn a_database_that_is_damaged_under_a_server_costs_its_changes_and_not_what_runs() {
    let mut host = TestHost::start();
    furnish(&host);
    // After a restart nothing of it is in the log of changes, and little in memory.
    host.restart();
    assert_serves(&host);
    let file = host.data_dir().join("modelet.db");
    let whole = fs::read(&file).unwrap();
    let mut bytes = whole.clone();
    garbage(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    let refused = host.admin("GET", "/v1/functions/hello/versions", b"");
    assert!(matches!(refused.status, 200 | 500), "{}", refused.text());
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    fs::write(&file, &whole).unwrap();
    host.kill_and_restart();
    assert_serves(&host);
    host.stop();
}
