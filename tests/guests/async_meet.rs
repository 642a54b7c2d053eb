//! Waits until `n` (1) requests have come to this instance and not left it, then does as `then` says: `trap`, `loop`, `wait` (an hour),
//! `memory` (takes it until there is none), `body` (echoes the request's body), or answers `{"seen", "most", "left_ms"}`: how many requests this instance
//! has had, how many at a time, and what is left of this one's time. First it writes `in: TAG` to stderr, and `met: TAG` when it has met
//! the others; `pause_ms` is what it waits in between.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use modelet_test_guests::service;
use modelet_test_guests::service::bindings::modelet::nn::invocation::deadline_left;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::{body_of, number, param, pause, text};

service!(meet);

static SEEN: AtomicU64 = AtomicU64::new(0);
static IN: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);

async fn meet(request: Request) -> Result<Response, ErrorCode> {
    let (n, pause_ms) = (number(&request, "n", 1), number(&request, "pause_ms", 1));
    let (then, tag) = (param(&request, "then").unwrap_or_default(), param(&request, "tag").unwrap_or_default());
    SEEN.fetch_add(1, Relaxed);
    MOST.fetch_max(IN.fetch_add(1, Relaxed) + 1, Relaxed);
    // A line that is not ended before the others have written theirs.
    eprint!("in: {tag}");
    while MOST.load(Relaxed) < n {
        pause(pause_ms).await;
    }
    pause(pause_ms).await;
    eprintln!("\nmet: {tag}");
    match then.as_str() {
        "trap" => std::process::abort(),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "wait" => pause(3_600_000).await,
        "memory" => {
            let mut held = Vec::new();
            loop {
                held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "body" => {
            let (contents, end) = body_of(request);
            IN.fetch_sub(1, Relaxed);
            return Ok(Response::new(Fields::new(), Some(contents), end).0);
        }
        _ => {}
    }
    IN.fetch_sub(1, Relaxed);
    let (seen, most) = (SEEN.load(Relaxed), MOST.load(Relaxed));
    let left_ms = deadline_left().map_or(0, |left| left / 1_000_000);
    Ok(text(format!("{{\"seen\": {seen}, \"most\": {most}, \"left_ms\": {left_ms}}}\n")))
}
