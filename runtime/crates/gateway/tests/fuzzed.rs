//! The fuzzer's target on damaged seeds: see `tests/fuzz/README.md`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here is a failed test"
)]

#[path = "../../../../tests/fuzz/damaged.rs"]
mod damaged;
#[path = "../../../../tests/fuzz/bodies/http.rs"]
mod http;

use damaged::damaged;
use proptest::prelude::*;

proptest! {
    // Each is two connections.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_requests_are_answered_or_hung_up_on_and_the_next_client_is_served(bytes in damaged("http")) {
        http::check(&bytes);
    }
}
