//! Greets whoever the query names: `GET /hello?name=Ada`.
use modelet_sdk::{Error, Request, Response, handler};

handler!(hello);

fn hello(request: Request) -> Result<Response, Error> {
    let name = request.param("name").unwrap_or_else(|| "world".to_owned());
    Ok(Response::text(format!("hello, {name}\n")))
}
