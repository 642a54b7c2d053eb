//! Answers with the status `code` (200) and the text `status CODE`; `empty=1` leaves the text out.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;

handler!(status);

fn status(request: Request) -> Result<Response, Error> {
    let code = number(&request, "code", 200)?;
    let status = u16::try_from(code)?;
    if number(&request, "empty", 0)? == 1 {
        return Ok(Response::new(status));
    }
    Ok(Response::text(format!("status {code}\n")).with_status(status))
}
