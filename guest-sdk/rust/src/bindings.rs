//! What wit-bindgen makes of the world `modelet:function/handler`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated from wit/, which documents it"
)]

wit_bindgen::generate!({
    world: "modelet:function/handler",
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
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "modelet_sdk::bindings",
});
