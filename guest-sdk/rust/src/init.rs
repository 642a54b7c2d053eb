//! The door to what is done once, when a function is deployed.

/// Has statics of type [`LazyLock`](std::sync::LazyLock) made when the function is deployed, or a `fn()` called: the server
/// takes what that leaves in memory as what each instance begins with. Use it once, at the top of the crate.
///
/// ```
/// use std::sync::LazyLock;
///
/// static SQUARES: LazyLock<Vec<u64>> = LazyLock::new(|| (0..1000).map(|n| n * n).collect());
///
/// modelet_sdk::init!(SQUARES);
/// ```
///
/// `init!(A, B)` makes several, `init!(fn prepare)` calls `fn prepare()`.
///
/// It runs without a host. Whatever it wants to know of the world ends it: the clock, variables, random numbers, a model,
/// something printed. A [`HashMap`](std::collections::HashMap) wants a random number, too, unless it is given a hasher: in a
/// table that is never added to later, `HashMap<K, V, BuildHasherDefault<DefaultHasher>>` is safe. Time and memory are limited, and what
/// is left in memory is a part of the component's size.
///
/// Where it does not return, the function is deployed all the same, and `modelet deploy` says why: its statics are made at the
/// first request to each instance then. So a `fn()` must not be the only place where something is made.
#[macro_export]
#[rustfmt::skip] // It would pull the macro calls below out of their indentation.
macro_rules! init {
    (fn $prepare:path) => {
        #[allow(
            unsafe_code,
            dead_code,
            missing_docs,
            unreachable_pub,
            clippy::allow_attributes_without_reason,
            reason = "the component's export, generated from wit/"
        )]
        const _: () = {
            struct Component;
            impl $crate::init_bindings::Guest for Component {
                fn init() {
                    $prepare();
                }
            }
            // Elsewhere it is only checked: a native linker does not take the names of a component's exports.
            #[cfg(target_arch = "wasm32")]
            $crate::init_bindings::export_init!(Component with_types_in $crate::init_bindings);
        };
    };
    ($($lazy:path),+ $(,)?) => {
        const _: () = {
            fn make() {
                $(::std::sync::LazyLock::force(&$lazy);)+
            }
            $crate::init!(fn make);
        };
    };
}

/// What wit-bindgen makes of the world `modelet:function/warm-start`.
#[doc(hidden)]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated from wit/, which documents it"
)]
pub mod bindings {
    wit_bindgen::generate!({
        world: "modelet:function/warm-start",
        path: [
            "../../wit/deps/wasi-io@0.2.12",
            "../../wit/deps/wasi-clocks@0.2.12",
            "../../wit/deps/wasi-filesystem@0.2.12",
            "../../wit/deps/wasi-sockets@0.2.12",
            "../../wit/deps/wasi-random@0.2.12",
            "../../wit/deps/wasi-cli@0.2.12",
            "../../wit/deps/wasi-http@0.2.12",
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/modelet-nn",
            "../../wit/modelet",
        ],
        pub_export_macro: true,
        export_macro_name: "export_init",
        default_bindings_module: "modelet_sdk::init_bindings",
    });
}
