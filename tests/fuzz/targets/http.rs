//! See `bodies/http.rs`.
#![no_main]
#![allow(missing_docs, reason = "the macro makes a function for libFuzzer alone")]

#[path = "../bodies/http.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
