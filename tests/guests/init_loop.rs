//! Its `init` never ends. Answers `hello`.
use modelet_sdk::{Error, Request, Response, handler, init};

handler!(hello);
init!(fn spin);

fn spin() {
    let mut turns = 0_u64;
    while std::hint::black_box(turns) != u64::MAX {
        turns += 1;
    }
}

fn hello(_: Request) -> Result<Response, Error> {
    Ok(Response::text("hello\n"))
}
