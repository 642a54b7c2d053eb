//! Never ends, using the processor all the time. With `after=answer` it answers `answered` first.
use modelet_sdk::wasi::http::types::{IncomingRequest, ResponseOutparam};
use modelet_sdk::{Request, Response, handler};

handler!(raw spin);

fn spin(request: IncomingRequest, out: ResponseOutparam) {
    if Request::new(request).param("after").as_deref() == Some("answer") {
        Response::text("answered\n").send(out);
    }
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
