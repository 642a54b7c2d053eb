//! Turns off the backtraces that libraries capture with their errors.
#![allow(unsafe_code, reason = "the standard library offers no other way to turn library backtraces off")]

/// What the standard library asks before it captures a backtrace for an error; it overrides `RUST_BACKTRACE`.
const VARIABLE: &str = "RUST_LIB_BACKTRACE";

/// Turns library backtraces off for this process, unless its user asked for them by that very variable.
///
/// With `RUST_BACKTRACE=1`, which developers and images often set, wasmtime captures and symbolises a native backtrace
/// with each error it makes, and one is made on every request's path. Guests' own backtraces do not depend on it.
///
/// Must be the first thing that `main` does.
pub(crate) fn turn_off() {
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: `main` calls this before anything else, so the process has no second thread that could read or
        // write the environment meanwhile; nothing is linked that starts threads before `main` (ONNX Runtime is
        // opened later, at run time).
        unsafe { std::env::set_var(VARIABLE, "0") };
    }
}
