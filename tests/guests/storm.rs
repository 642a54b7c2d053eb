//! Calls the host without an end. `of`: `clock` (default), `random`, `fields`, `poll` (a list of 1,000 at a time), `yield` (waits for
//! nothing), `stdin`, `env`, `log`, `outbound` (calls whom it may not), `malformed` (requests without a path) or `tensors`.
use modelet_sdk::wasi::cli::stdin;
use modelet_sdk::wasi::clocks::monotonic_clock::{now, subscribe_duration};
use modelet_sdk::wasi::http::outgoing_handler::handle;
use modelet_sdk::wasi::http::types::{Fields, OutgoingRequest, Scheme};
use modelet_sdk::wasi::io::poll::{Pollable, poll};
use modelet_sdk::wasi::random::random::get_random_u64;
use modelet_sdk::{Error, Request, Response, Tensor, handler};

handler!(call);

fn call(request: Request) -> Result<Response, Error> {
    match request.param("of").as_deref() {
        Some("random") => for_ever(get_random_u64),
        Some("fields") => for_ever(Fields::new),
        Some("poll") => {
            let ready: Vec<Pollable> = (0..1000).map(|_| subscribe_duration(0)).collect();
            let ready: Vec<&Pollable> = ready.iter().collect();
            for_ever(|| poll(&ready))
        }
        Some("yield") => for_ever(|| subscribe_duration(0).block()),
        Some("stdin") => for_ever(|| stdin::get_stdin().blocking_read(1).is_err()),
        Some("env") => for_ever(|| std::env::args().count()),
        Some("log") => for_ever(|| println!("again")),
        Some("outbound") => for_ever(|| send(Some("/"))),
        Some("malformed") => for_ever(|| send(None)),
        Some("tensors") => for_ever(|| Tensor::vector(&[0_u8; 4096]).is_ok()),
        _ => for_ever(now),
    }
}

fn for_ever<T>(call: impl Fn() -> T) -> ! {
    loop {
        std::hint::black_box(call());
    }
}

/// Sends a request and waits for what becomes of it. Whether there was any answer.
fn send(path: Option<&str>) -> bool {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some("127.0.0.1:1"));
    let _ = request.set_path_with_query(path);
    match handle(request, None) {
        Ok(answer) => {
            answer.subscribe().block();
            true
        }
        Err(_) => false,
    }
}
