//! The fuzzer's targets for model files and tensors, on its damaged seeds: see `tests/fuzz/README.md`.

use proptest::prelude::*;

use crate::damaged::damaged;
use crate::mutated::{PEAK_MAX, peak};
use crate::{body, tensors};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_model_gets_a_verdict(bytes in damaged("admission")) {
        body::check(&bytes);
        prop_assert!(peak() < PEAK_MAX, "{} MiB", peak() >> 20);
    }

    #[test]
    fn damaged_tensors_are_made_of_exactly_what_their_shapes_need(bytes in damaged("tensors")) {
        tensors::check(&bytes);
    }
}
