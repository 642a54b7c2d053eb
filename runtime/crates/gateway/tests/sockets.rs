//! What a client sees on a socket of a gateway without any function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "this whole file is a test")]

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use modelet_catalog::Catalog;
use modelet_gateway::{Drained, Gateway, GatewayConfig};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than any machine needs; a test that waits for it has failed.
const BOUND: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Drained>,
}

impl Server {
    async fn start(config: GatewayConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let catalog = Arc::new(ArcSwap::from_pointee(Catalog::empty()));
        let gateway = Arc::new(Gateway::new(config, catalog, Arc::default(), &mut Registry::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(gateway.serve(listener, None, async { _ = stopped.await }));
        Self { address, stop, done }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes until the server closes.
    async fn talk(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        to_end(&mut socket).await
    }
}

async fn to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(BOUND, socket.read_to_end(&mut bytes)).await.expect("the server closes").unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn head(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        bytes.push(timeout(BOUND, socket.read_u8()).await.expect("the server answers").unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_with_an_id_and_the_next_request_is_served() {
    let server = Server::start(GatewayConfig::default()).await;
    let mut socket = server.connect().await;
    for _ in 0..2 {
        socket.write_all(b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = head(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
        assert!(answer.contains("\r\nmodelet-invocation: "), "{answer}");
        assert!(answer.contains(r#""code":"not-found""#), "{answer}");
    }
}

#[tokio::test]
async fn ids_of_two_requests_differ() {
    let server = Server::start(GatewayConfig::default()).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let id = |answer: String| answer.split("modelet-invocation: ").nth(1).unwrap()[..26].to_owned();
    assert_ne!(id(server.talk(request).await), id(server.talk(request).await));
}

#[tokio::test]
async fn head_gets_the_head_alone() {
    let server = Server::start(GatewayConfig::default()).await;
    let answer = server.talk("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/problem+json") && !answer.contains("content-length: 0"),
        "{answer}"
    );
}

#[tokio::test]
async fn bad_http_gets_400_or_431() {
    let server = Server::start(GatewayConfig::default()).await;
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = "x".repeat(1 << 20);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n".to_owned(), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("\0\u{1}\u{2}\u{3} / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", &long[..70_000]), "431"),
    ] {
        let answer = server.talk(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{} … {answer}", &request[..20.min(request.len())]);
    }
    // And it still serves.
    assert!(server.talk("GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 404"));
}

#[tokio::test]
async fn http2_is_understood_without_tls() {
    let server = Server::start(GatewayConfig::default()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // SETTINGS without any, then HEADERS (end of stream, end of headers) on stream 1: GET, http, "/", authority "a".
    socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    socket.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a']).await.unwrap();
    loop {
        let mut frame = [0; 9];
        timeout(BOUND, socket.read_exact(&mut frame)).await.expect("the server answers").unwrap();
        let mut payload = vec![0; usize::from(frame[1]) << 8 | usize::from(frame[2])];
        socket.read_exact(&mut payload).await.unwrap();
        if frame[3] == 1 {
            assert_eq!(frame[8], 1, "the stream");
            assert_eq!(payload[0], 0x8d, "HPACK's static entry 13 is `:status 404`");
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let server = Server::start(GatewayConfig { keep_alive: SHORT, ..GatewayConfig::default() }).await;
    for sent in ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut socket = server.connect().await;
        socket.write_all(sent.as_bytes()).await.unwrap();
        to_end(&mut socket).await;
    }
}

#[tokio::test]
async fn a_head_that_takes_too_long_ends_its_connection() {
    let server = Server::start(GatewayConfig { header_read_timeout: SHORT, ..GatewayConfig::default() }).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    to_end(&mut socket).await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let mut config = GatewayConfig::default();
    config.limits.connections = 1;
    let server = Server::start(config).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut first = server.connect().await;
    first.write_all(request).await.unwrap();
    head(&mut first).await;

    let mut second = server.connect().await;
    second.write_all(request).await.unwrap();
    assert!(timeout(SHORT, second.read_u8()).await.is_err(), "the only place is taken");
    drop(first);
    assert!(head(&mut second).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections_at_once_and_frees_the_port() {
    let server = Server::start(GatewayConfig::default()).await;
    // The silent one comes first: once the other is answered, both are taken.
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    head(&mut idle).await;

    server.stop.send(()).unwrap();
    assert_eq!(timeout(BOUND, server.done).await.unwrap().unwrap(), Drained { cut: 0 });
    assert_eq!(to_end(&mut idle).await, "");
    assert_eq!(to_end(&mut silent).await, "");
    assert!(TcpListener::bind(server.address).await.is_ok());
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_loses_its_connection() {
    let mut config = GatewayConfig { keep_alive: SHORT, ..GatewayConfig::default() };
    config.limits.time = SHORT;
    config.limits.connections = 1;
    let server = Server::start(config).await;
    let mut stuck = server.connect().await;
    let requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let cut = async { while stuck.write_all(requests.as_bytes()).await.is_ok() {} };
    timeout(BOUND, cut).await.expect("the server closes");
    // The place is free again, which is what the limit is for.
    assert!(server.talk("GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 404"));
}
