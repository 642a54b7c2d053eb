//! The admin key's file and the store agree, however many rotate the key at a time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by a panic")]

mod host;

use std::sync::Arc;

use host::Host;
use http::StatusCode;
use modelet_control::ADMIN_KEY_FILE;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_rotate_the_admin_key_at_a_time_the_later_has_its_file_too() {
    let host = Arc::new(Host::start());
    let other = host.make_key("default", &["admin"]).await;
    for _ in 0..10 {
        let rotate = || {
            let (host, other) = (Arc::clone(&host), other.clone());
            tokio::spawn(async move { host.send_with(Some(&other), "POST", "/v1/keys/admin/rotate", "{}").await })
        };
        let rotations: Vec<_> = (0..8).map(|_| rotate()).collect();
        for rotation in rotations {
            let (status, text) = rotation.await.unwrap();
            assert_eq!(status, StatusCode::OK, "{text}");
        }
        let file = std::fs::read_to_string(host.data_dir().join(ADMIN_KEY_FILE)).unwrap();
        let (status, text) = host.send_with(Some(file.trim()), "GET", "/v1/server", "").await;
        assert_eq!(status, StatusCode::OK, "what the file has opens: {text}");
    }
}
