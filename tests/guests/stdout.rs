//! Writes `lines` (1) lines to stdout, `out 0 xxx…`, and as many to stderr, `err 0 xxx…`, each with `bytes` (10) letters;
//! then `tail` to stdout without an end of line; then answers `ok`.
use std::io::Write;

use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, size};

handler!(write);

fn write(request: Request) -> Result<Response, Error> {
    let letters = "x".repeat(size(&request, "bytes", 10)?);
    for line in 0..number(&request, "lines", 1)? {
        println!("out {line} {letters}");
        eprintln!("err {line} {letters}");
    }
    print!("tail");
    std::io::stdout().flush()?;
    Ok(Response::text("ok\n"))
}
