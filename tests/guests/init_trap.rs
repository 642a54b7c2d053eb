//! Its `init` traps. Answers `hello`.
use modelet_sdk::{Error, Request, Response, handler, init};

handler!(hello);
init!(fn trap);

fn trap() {
    std::process::abort()
}

fn hello(_: Request) -> Result<Response, Error> {
    Ok(Response::text("hello\n"))
}
