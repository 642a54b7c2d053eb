//! Bytes that are no component, or one that is damaged: inspecting and compiling them ends in a component or a refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by these")]

use std::path::Path;
use std::sync::OnceLock;

use modelet_engine::{CompileError, Engine, EngineConfig};
use proptest::prelude::*;
use proptest::sample::Index;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineConfig::default()).unwrap())
}

/// A guest of `tests/guests`, which `cargo xtask test` builds before any test runs.
fn hello() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let file = target.join("wasm32-wasip2/guest/examples/hello.wasm");
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", file.display()))
    })
}

/// A refusal says something, on one line; an acceptance says which bytes.
fn inspected(wasm: &[u8]) -> Result<(), TestCaseError> {
    match engine().inspect(wasm) {
        Ok(inspection) => prop_assert_eq!(inspection.bytes, wasm.len() as u64),
        Err(error) => {
            let text = error.to_string();
            prop_assert!(!text.is_empty() && !text.contains('\n'), "{}", text);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_behind_a_components_head_are_inspected_or_refused(rest in proptest::collection::vec(any::<u8>(), 0..512)) {
        inspected(&[b"\0asm\x0d\0\x01\0", rest.as_slice()].concat())?;
        inspected(&rest)?;
    }

    #[test]
    fn a_real_component_that_is_damaged_is_inspected_or_refused(
        hits in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        end in any::<Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut wasm = hello().to_vec();
        for (at, byte) in hits {
            let at = at.index(wasm.len());
            wasm.splice(at..=at, [byte]);
        }
        if is_cut {
            wasm.truncate(end.index(wasm.len()));
        }
        inspected(&wasm)?;
    }
}

proptest! {
    // Each is compiled, as far as it is valid: tenths of a second.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_real_component_with_one_byte_changed_compiles_or_is_refused(at in any::<Index>(), byte in any::<u8>()) {
        let mut wasm = hello().to_vec();
        let at = at.index(wasm.len());
        wasm.splice(at..=at, [byte]);
        match engine().compile(&wasm) {
            Ok(compiled) => prop_assert!(!compiled.code.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_component_over_the_operators_limit_is_refused_by_its_size_alone() {
    let mut config = EngineConfig::default();
    config.limits.component_bytes = modelet_spec::ByteSize(100);
    let refused = Engine::new(config).unwrap().compile(hello()).err().unwrap();
    assert!(matches!(refused, CompileError::TooLarge { limit: 100, .. }), "{refused}");
}
