//! Uses handles that it does not have. `how`: `twice` (default) answers twice by one, `dropped` uses one that it dropped, `made-up` one
//! that never was, `other` one of another kind.
#![allow(unsafe_code, reason = "no safe code has such a handle")]
use modelet_sdk::Request;
use modelet_sdk::handler;
use modelet_sdk::wasi::clocks::monotonic_clock::subscribe_duration;
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};

handler!(raw forge);

fn forge(request: IncomingRequest, out: ResponseOutparam) {
    match Request::new(request).param("how").as_deref() {
        Some("dropped") => {
            let fields = Fields::new();
            let again = fields.handle();
            drop(fields);
            use_as_fields(again);
        }
        Some("made-up") => use_as_fields(12_345),
        Some("other") => {
            let pollable = subscribe_duration(0);
            use_as_fields(pollable.handle());
        }
        _ => {
            let again = out.handle();
            ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
            // SAFETY: the host checks each handle: that is what is tried here.
            let out = unsafe { ResponseOutparam::from_handle(again) };
            ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
        }
    }
}

fn use_as_fields(handle: u32) {
    // SAFETY: the host checks each handle: that is what is tried here.
    let fields = unsafe { Fields::from_handle(handle) };
    let _ = std::hint::black_box(fields.entries());
}
