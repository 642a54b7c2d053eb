//! Keys of the data directory that are lost: no server makes another in silence.

use super::{assert_serves, furnish, listed};
use modelet_tests::cli::refused_start;
use modelet_tests::{TestHost, client};
use std::fs;

/// Whether a secret opens the admin API.
fn opens(host: &TestHost, secret: &str) -> bool {
    let bearer = format!("Bearer {secret}");
    let url = format!("{}/v1/functions", host.admin_url);
    client::send("GET", &url, &[("authorization", &bearer)], b"").unwrap().status == 200
}

#[test]
fn without_what_keys_are_hashed_with_no_server_starts_until_it_is_back_or_all_are_given_up() {
    let mut host = TestHost::start();
    furnish(&host);
    let made = host.modelet(["key", "create", "--scope", "read", "--json"]).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let admin = host.key();
    let before = listed(&host);
    host.halt();
    let (file, kept) = (host.data_dir().join("key-hash.key"), host.scratch().join("kept"));
    fs::rename(&file, &kept).unwrap();
    for _ in 0..2 {
        let line = refused_start(&host.data_dir());
        for told in ["key-hash.key is missing", "none of 2 keys opens anything", "backup", "--renew-lost-keys"] {
            assert!(line.contains(told), "{line}");
        }
        assert!(!file.exists(), "none is made");
    }
    fs::rename(&kept, &file).unwrap();
    host.start_again_with(&["--renew-lost-keys"]);
    assert!(opens(&host, &secret) && opens(&host, &admin), "what is there is not renewed");
    assert_eq!(listed(&host), before);
    host.halt();
    fs::remove_file(&file).unwrap();
    host.start_again_with(&["--renew-lost-keys"]);
    assert!(!opens(&host, &secret) && !opens(&host, &admin) && opens(&host, &host.key()));
    let keys = host.modelet(["key", "list", "--json"]).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
    let revoked = host.modelet(["audit", "--kind", "key.revoke", "--json"]).json();
    assert_eq!(revoked["changes"].as_array().unwrap().len(), 2, "{revoked}");
    assert_serves(&host);
    host.restart();
    assert!(opens(&host, &host.key()));
    host.stop();
}

#[test]
fn without_the_key_of_the_audit_no_server_starts_until_it_is_back_or_given_up() {
    let mut host = TestHost::start();
    furnish(&host);
    host.halt();
    let (file, kept) = (host.data_dir().join("audit.key"), host.scratch().join("kept"));
    fs::rename(&file, &kept).unwrap();
    let line = refused_start(&host.data_dir());
    for told in ["audit.key is missing", "backup", "--renew-lost-keys"] {
        assert!(line.contains(told), "{line}");
    }
    fs::rename(&kept, &file).unwrap();
    host.start_again();
    assert!(host.modelet(["audit", "--verify"]).done().contains("all whole"));
    host.halt();
    fs::remove_file(&file).unwrap();
    host.start_again_with(&["--renew-lost-keys"]);
    assert!(host.modelet(["audit", "--verify"]).refused().contains("audit.key is not the one it was written with"));
    assert_serves(&host);
    host.stop();
}
