//! Keeps pairs by `wasi:keyvalue` until it is refused, and answers `{"kept": n, "error": why}`. `of`: `keys` (default, tiny ones),
//! `bytes` (500 kB each), `value` (one of 4 MiB), `key` (one of 100 kB), `batch` (2,000 at once) or `buckets` (opens 1,000,000).
use bindings::wasi::keyvalue::{batch, store};
use modelet_sdk::{Error, Request, Response, handler};
use serde_json::json;

handler!(flood);

mod bindings {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../wit/deps/wasi-keyvalue@0.2.0-draft",
        world: "wasi:keyvalue/imports",
    });
}

fn flood(request: Request) -> Result<Response, Error> {
    let of = request.param("of").unwrap_or_default();
    let mut kept = 0_u64;
    let error = loop {
        match keep(&of, kept) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    Response::json(&json!({ "kept": kept, "error": format!("{error:?}") }))
}

fn keep(of: &str, n: u64) -> Result<(), store::Error> {
    if of == "buckets" {
        // Kept for as long as the instance lives.
        std::mem::forget(store::open(&format!("flood-{n}"))?);
        return Ok(());
    }
    let bucket = store::open("flood")?;
    match of {
        "bytes" => bucket.set(&format!("b-{n}"), &[0xa5; 500_000]),
        "value" => bucket.set("value", &vec![0xa5; 4 << 20]),
        "key" => bucket.set(&"k".repeat(100_000), b"x"),
        "batch" => {
            let pairs: Vec<_> = (0..2000).map(|n| (format!("k-{n}"), vec![0xa5; 16])).collect();
            batch::set_many(&bucket, &pairs)
        }
        _ => bucket.set(&format!("k-{n}"), b"x"),
    }
}
