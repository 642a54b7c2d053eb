//! Ends its process with `code` (0) before it answers.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;

handler!(exit);

fn exit(request: Request) -> Result<Response, Error> {
    let code = number(&request, "code", 0)?;
    std::process::exit(i32::try_from(code)?)
}
