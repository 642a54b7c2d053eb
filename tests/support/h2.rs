//! HTTP/2 with prior knowledge, by hyper.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;

/// Sends POST requests with these bodies, all at once on one connection, and returns the statuses and the bodies.
///
/// # Panics
/// When the connection fails.
#[must_use]
pub fn post_all(url: &str, path: &str, bodies: Vec<Vec<u8>>) -> Vec<(u16, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, all(url.to_owned(), path.to_owned(), bodies))
}

/// An answer: its status, its body and its trailers.
pub type Trailed = (u16, Vec<u8>, HeaderMap);

/// Sends one POST request whose body ends with these trailers.
///
/// # Panics
/// When the connection fails.
#[must_use]
pub fn post_with_trailers(url: &str, path: &str, body: &[u8], trailers: &[(&'static str, &'static str)]) -> Trailed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pairs = trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let (body, trailers) = (Full::new(Bytes::copy_from_slice(body)), HeaderMap::from_iter(pairs));
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    let request = Request::post(format!("{url}{path}")).body(body).unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let answer = connect(url).await.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let whole = answer.into_body().collect().await.unwrap();
        let trailers = whole.trailers().cloned().unwrap_or_default();
        (status, whole.to_bytes().to_vec(), trailers)
    })
}

async fn connect<B>(url: &str) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let address = url.trim_start_matches("http://");
    let socket = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (sender, connection) = handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::task::spawn_local(async move { connection.await.unwrap() });
    sender
}

async fn all(url: String, path: String, bodies: Vec<Vec<u8>>) -> Vec<(u16, Vec<u8>)> {
    let sender = connect(&url).await;
    let mut answers = Vec::new();
    for body in bodies {
        let mut sender = sender.clone();
        sender.ready().await.unwrap();
        let request = Request::post(format!("{url}{path}")).body(Full::new(Bytes::from(body))).unwrap();
        answers.push(tokio::task::spawn_local(async move {
            let answer = sender.send_request(request).await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
        }));
    }
    let mut read = Vec::new();
    for answer in answers {
        read.push(answer.await.unwrap());
    }
    read
}
