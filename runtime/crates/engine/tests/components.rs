//! Bytes that are no component, or one that is damaged: inspecting and compiling them ends in a component or a refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by these")]

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use modelet_engine::{CompileError, Compiler, Engine, EngineConfig, ImageLimits, NoImage, image};
use proptest::prelude::*;
use proptest::sample::Index;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineConfig::default()).unwrap())
}

/// A guest of `tests/guests`, which `cargo xtask test` builds before any test runs.
fn guest(name: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let file = target.join(format!("wasm32-wasip2/guest/examples/{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", file.display()))
}

fn hello() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| guest("hello"))
}

const LIMITS: ImageLimits = ImageLimits {
    memory_bytes: 64 << 20,
    table_elements: 10_000,
    component_bytes: 4 << 20,
    cpu: Duration::from_secs(60),
};

/// Time that has passed: more than any processor has computed for this thread.
fn clock() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
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

    #[test]
    fn a_real_component_with_one_byte_changed_has_an_image_or_a_reason(at in any::<Index>(), byte in any::<u8>()) {
        let mut wasm = guest("init_table");
        let at = at.index(wasm.len());
        wasm.splice(at..=at, [byte]);
        match image(&wasm, ImageLimits { cpu: Duration::from_secs(2), ..LIMITS }, clock) {
            Ok(made) => prop_assert!(!made.is_empty()),
            Err(why) => prop_assert!(!why.to_string().contains('\n'), "{}", why),
        }
    }
}

#[test]
fn a_compiler_without_a_pool_makes_an_engines_own_code() {
    let compiler = Compiler::new().unwrap();
    assert_eq!(compiler.id(), engine().id());
    assert!(compiler.compile(hello()).unwrap() == engine().compile(hello()).unwrap().code, "the same bytes");
}

#[test]
fn an_image_has_what_init_left_and_keeps_the_components_face() {
    let table = guest("init_table");
    let made = image(&table, LIMITS, clock).unwrap();
    // A hundred thousand numbers of eight bytes.
    assert!(made.len() > table.len() + 800_000, "{} of {}", made.len(), table.len());
    let (before, after) = (engine().inspect(&table).unwrap(), engine().inspect(&made).unwrap());
    assert_eq!((before.imports, before.exports), (after.imports, after.exports));
    assert!(made == image(&table, LIMITS, clock).unwrap(), "the same each time");
    engine().compile(&made).unwrap();
    let small = ImageLimits { component_bytes: 500_000, ..LIMITS };
    assert!(matches!(image(&table, small, clock), Err(NoImage::TooLarge { limit: 500_000, .. })));
    assert!(matches!(image(hello(), LIMITS, clock), Err(NoImage::Unsupported(_))), "it has no init");
    let short = ImageLimits { cpu: Duration::from_millis(100), ..LIMITS };
    assert!(matches!(image(&guest("init_loop"), short, clock), Err(NoImage::TooLong(_))));
}

#[test]
fn a_component_over_the_operators_limit_is_refused_by_its_size_alone() {
    let mut config = EngineConfig::default();
    config.limits.component_bytes = modelet_spec::ByteSize(100);
    let refused = Engine::new(config).unwrap().compile(hello()).err().unwrap();
    assert!(matches!(refused, CompileError::TooLarge { limit: 100, .. }), "{refused}");
}
