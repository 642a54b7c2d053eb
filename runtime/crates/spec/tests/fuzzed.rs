//! The fuzzer's targets for manifests and cards, on its damaged seeds: see `tests/fuzz/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "../../../../tests/fuzz/bodies/card.rs"]
mod card;
#[path = "../../../../tests/fuzz/damaged.rs"]
mod damaged;
#[path = "../../../../tests/fuzz/bodies/manifest.rs"]
mod manifest;

use damaged::damaged;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_manifest_is_read_or_reported(bytes in damaged("manifest")) {
        manifest::check(&bytes);
    }

    #[test]
    fn a_damaged_card_is_read_or_reported(bytes in damaged("card")) {
        card::check(&bytes);
    }
}
