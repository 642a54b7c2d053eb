//! Traps in a destructor, when all else is done; with `after=answer` when it has answered `answered`, too.
use modelet_sdk::wasi::http::types::{IncomingRequest, ResponseOutparam};
use modelet_sdk::{Request, Response, handler};

handler!(raw answer);

struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        std::process::abort()
    }
}

fn answer(request: IncomingRequest, out: ResponseOutparam) {
    let answers_first = Request::new(request).param("after").as_deref() == Some("answer");
    let bad = Bad;
    if answers_first {
        Response::text("answered\n").send(out);
        drop(bad);
    } else {
        drop(bad);
        Response::text("answered\n").send(out);
    }
}
