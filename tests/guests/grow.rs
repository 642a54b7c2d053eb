//! Grows its memory page by page, without touching it, until it gets no more. Then it traps; with `then=answer` it answers
//! `{"pages": got}`, with `then=insist` it asks for more for ever.
use modelet_sdk::{Error, Request, Response, handler};
use serde_json::json;

handler!(grow);

fn grow(request: Request) -> Result<Response, Error> {
    let mut pages = 0_u64;
    while more() {
        pages += 1;
    }
    match request.param("then").as_deref() {
        Some("answer") => Response::json(&json!({ "pages": pages })),
        Some("insist") => loop {
            std::hint::black_box(more());
        },
        _ => std::process::abort(),
    }
}

#[cfg(target_arch = "wasm32")]
fn more() -> bool {
    core::arch::wasm32::memory_grow::<0>(1) != usize::MAX
}

/// Elsewhere it is only checked.
#[cfg(not(target_arch = "wasm32"))]
fn more() -> bool {
    false
}
