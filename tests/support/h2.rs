//! HTTP/2 with prior knowledge, by hyper.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};

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

async fn all(url: String, path: String, bodies: Vec<Vec<u8>>) -> Vec<(u16, Vec<u8>)> {
    let address = url.trim_start_matches("http://");
    let socket = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::task::spawn_local(async move { connection.await.unwrap() });
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
