//! Its `init` wants more memory than there is. Answers `hello`.
use modelet_sdk::{Error, Request, Response, handler, init};

handler!(hello);
init!(fn eat);

const PIECE: usize = 1 << 20;

fn eat() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1_u8; PIECE]));
    }
}

fn hello(_: Request) -> Result<Response, Error> {
    Ok(Response::text("hello\n"))
}
