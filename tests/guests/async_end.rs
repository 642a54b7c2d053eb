//! Ends as `how` says: `trap`, `exit`, `error` (an error code for an answer), `loop`, `wait` (an hour), `drop` (a body that fails),
//! `late-trap`, `late-loop` and `late-wait` (after the answer `answered`), `late-work` (20 ms of it, then a line to stderr), `streams` (makes
//! as many as it can), `waits` (20,000 at a time), `memory`, `deep` (recursion without end), `unread` (its body is never read), `empty` (204 without a body) or `interim` (100).
use std::hint::black_box;

use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::bindings::{wit_future, wit_stream};
use modelet_test_guests::service::{param, pause, streaming, text};

service!(end);

async fn end(request: Request) -> Result<Response, ErrorCode> {
    match param(&request, "how").unwrap_or_default().as_str() {
        "trap" => std::process::abort(),
        "exit" => std::process::exit(0),
        "error" => return Err(ErrorCode::InternalError(Some("a secret of the guest".to_owned()))),
        "loop" => spin(),
        "wait" => pause(3_600_000).await,
        "drop" => return Ok(failing()),
        "streams" => streams(),
        "waits" => {
            (0..20_000).for_each(|_| wit_bindgen::spawn_local(pause(3_600_000)));
            pause(3_600_000).await;
        }
        "memory" => memory(),
        "deep" => drop(deep(u64::MAX, &[0; 64])),
        "late-trap" => later(async { std::process::abort() }),
        "late-loop" => later(async { spin() }),
        "late-wait" => later(pause(3_600_000)),
        "late-work" => later(async {
            pause(20).await;
            eprintln!("worked");
        }),
        "empty" => return Ok(bodyless(204)),
        "interim" => return Ok(bodyless(100)),
        _ => {}
    }
    Ok(text("answered\n"))
}

/// Runs after the answer was sent: the client has it by then, or its server.
fn later(work: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(async {
        pause(50).await;
        work.await;
    });
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

fn streams() {
    let mut held = Vec::new();
    loop {
        held.push(wit_stream::new::<u8>());
    }
}

fn memory() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(vec![1; 1 << 20]);
    }
}

fn deep(left: u64, above: &[u8; 64]) -> u64 {
    if left == 0 {
        return 0;
    }
    let here = black_box(*above);
    // What comes after the call keeps it from being a loop.
    1 + black_box(deep(black_box(left - 1), &here))
}

/// An answer whose body breaks off after five bytes, as its own end says.
fn failing() -> Response {
    let (response, mut body) = streaming(Fields::new());
    wit_bindgen::spawn_local(async move {
        body.bytes.write_all(b"short".to_vec()).await;
        drop(body.bytes);
        let _ = body.end.write(Err(ErrorCode::InternalError(None))).await;
    });
    response
}

fn bodyless(status: u16) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), None, trailers);
    let _ = response.set_status_code(status);
    response
}
