//! See `bodies/components.rs`. The modules are made by wasm-smith.
#![no_main]
#![allow(missing_docs, reason = "the macro makes a function for libFuzzer alone")]

#[path = "../bodies/components.rs"]
mod body;

use std::sync::OnceLock;

use libfuzzer_sys::arbitrary::Unstructured;
use wasm_smith::{Config, Module};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static EXPORTS: OnceLock<Vec<u8>> = OnceLock::new();
    let exports = EXPORTS.get_or_init(|| {
        wat::parse_str(r#"(module (func (export "handle") (param i32 i32)))"#).expect("a module")
    });
    // What a guest's engine has; no import, since a component of one module has nothing to give.
    let config = Config {
        exports: Some(exports.clone()),
        max_imports: 0,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    if let Ok(module) = Module::new(config, &mut Unstructured::new(data)) {
        body::check(&module.to_bytes());
    }
});
