//! A part of the ONNX project's own cases; `cargo xtask conformance` runs them all.

use modelet_tests::{TestHost, conformance, places};

/// About every fifth case that a guest can express.
const CASES: usize = 170;

#[test]
fn onnx_cases_pass_through_a_guest() {
    let host = TestHost::start();
    let report = conformance::run(&host, &places::onnx_cases().join("node"), Some(CASES));
    host.stop();
    println!("{report}");
    assert_eq!((report.total, report.run()), (932, CASES));
    assert!(report.is_as_expected(), "{report}");
    assert!(report.passed.len() >= 150, "{report}");
}
