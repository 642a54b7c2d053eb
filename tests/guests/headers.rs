//! Answers what it was asked, as JSON: `{"method", "path", "query", "scheme", "authority", "headers": [[name, value], …]}`.
use modelet_sdk::wasi::http::types::Scheme;
use modelet_sdk::{Error, Request, Response, handler};
use serde_json::json;

handler!(report);

fn report(request: Request) -> Result<Response, Error> {
    let scheme = request.raw().scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(other) => other,
    });
    let headers: Vec<(&str, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    Response::json(&json!({
        "method": request.method(),
        "path": request.path(),
        "query": request.query(),
        "scheme": scheme,
        "authority": request.raw().authority(),
        "headers": headers,
    }))
}
