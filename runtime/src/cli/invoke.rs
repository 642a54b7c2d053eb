//! `modelet invoke ROUTE`: one request to a function; its answer on stdout.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ureq::http::{Request, Response};
use ureq::{Body, SendBody};

use super::client::{self, Client};
use super::find::Trust;
use super::{InvokeArgs, ServerArgs};

/// No answer is waited for longer: more than any function's time limit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &InvokeArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let (url, trust) = url(&args.route, server)?;
    let body = args.data.as_deref().map(body).transpose()?;
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(&url);
    for header in &args.headers {
        let (name, value) = parse_header(header)?;
        request = request.header(name, value);
    }
    let bytes = body.as_ref().map(Vec::len);
    // None is another than an empty one, which would be announced.
    let body = body.map_or_else(SendBody::none, |body| SendBody::from_owned_reader(std::io::Cursor::new(body)));
    let request = request.body(body);
    let mut request = request.map_err(|e| anyhow!("this is no request: {e}; check ROUTE and -H"))?;
    if let Some(bytes) = bytes {
        request.headers_mut().insert("content-length", bytes.into());
    }
    let agent = client::agent(&trust)?;
    let request = agent.configure_request(request).timeout_global(Some(ANSWER_TIMEOUT)).build();
    let response = agent.run(request).map_err(|e| client::unreachable(&url, &e))?;
    print(response)
}

/// Where to send it: the route on the server's data plane, or a whole URL as it stands.
fn url(route: &str, server: &ServerArgs) -> anyhow::Result<(String, Trust)> {
    if route.starts_with("http://") || route.starts_with("https://") {
        return Ok((route.to_owned(), Trust::Authorities(server.ca_file.clone())));
    }
    if !route.starts_with('/') {
        bail!("ROUTE is `{route}`: write a path such as /file-type, or a whole http:// or https:// URL");
    }
    let client = Client::new(server)?;
    Ok((format!("{}{route}", client.data_url()?), client.trust().clone()))
}

fn body(data: &str) -> anyhow::Result<Vec<u8>> {
    match data.strip_prefix('@') {
        Some(file) => std::fs::read(file).map_err(|e| anyhow!("the body {file} cannot be read: {e}")),
        None => Ok(data.as_bytes().to_vec()),
    }
}

fn parse_header(text: &str) -> anyhow::Result<(&str, &str)> {
    let (name, value) = text.split_once(':').ok_or_else(|| anyhow!("-H `{text}` has no `:`: write \"NAME: VALUE\""))?;
    Ok((name.trim(), value.trim()))
}

/// The body goes to stdout as it comes; a refusal also makes one line on stderr and the exit status 1.
fn print(mut response: Response<Body>) -> anyhow::Result<()> {
    let status = response.status();
    let invocation = response.headers().get("modelet-invocation").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let is_failure = status.is_client_error() || status.is_server_error();
    let mut reader = response.body_mut().as_reader();
    let mut out = std::io::stdout().lock();
    if !is_failure {
        std::io::copy(&mut reader, &mut out).context("the answer broke off")?;
        if std::io::stdout().is_terminal() {
            writeln!(out)?;
        }
        return Ok(());
    }
    let mut bytes = Vec::new();
    std::io::copy(&mut reader, &mut bytes).context("the answer broke off")?;
    out.write_all(&bytes)?;
    writeln!(out)?;
    let id = invocation.map(|id| format!(", invocation {id}")).unwrap_or_default();
    match client::refused(&String::from_utf8_lossy(&bytes)) {
        Some(problem) => bail!("answered {status}: {problem}{id}"),
        None => bail!("the function answered {status}{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_name_and_value() {
        assert_eq!(parse_header("content-type: text/plain").unwrap(), ("content-type", "text/plain"));
        assert_eq!(parse_header("a:b:c").unwrap(), ("a", "b:c"));
        assert!(parse_header("nothing").is_err());
    }

    #[test]
    fn a_route_without_a_slash_is_refused() {
        let server = ServerArgs { data_dir: None, url: None, ca_file: None, tenant: None };
        assert!(url("file-type", &server).unwrap_err().to_string().contains("/file-type"));
        let (url, trust) = url("http://h/x", &server).unwrap();
        assert_eq!((url.as_str(), trust), ("http://h/x", Trust::Authorities(None)));
    }
}
