//! Any bytes on a connection: the server closes it in time, what it says is HTTP, and the next client is served.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use modelet_catalog::Catalog;
use modelet_gateway::{Gateway, GatewayConfig};
use prometheus_client::registry::Registry;

/// Longer than any machine needs.
const BOUND: Duration = Duration::from_secs(60);

/// For an answer to come before the client closes its half; nothing is lost where a slow machine takes longer.
const MOMENT: Duration = Duration::from_millis(20);

pub(crate) fn check(data: &[u8]) {
    let said = talk(data);
    let is_http1 = said.is_empty() || said.starts_with(b"HTTP/1.");
    // A client that begins as HTTP/2 does is answered in frames, the first of which are the server's settings.
    let is_http2 = data.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") && said.get(3) == Some(&4);
    assert!(is_http1 || is_http2, "{:?} to {:?}", String::from_utf8_lossy(&said), String::from_utf8_lossy(data));
    let mut next = TcpStream::connect(server()).expect("the server listens");
    next.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("the server reads");
    let mut answer = Vec::new();
    assert!(hear(&mut next, BOUND, &mut answer), "the next client waits for ever");
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "the next: {:?}", String::from_utf8_lossy(&answer));
}

/// Sends bytes, listens for a moment, says that there are no more, and reads until the server has closed.
fn talk(data: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server()).expect("the server listens");
    socket.set_write_timeout(Some(BOUND)).expect("a socket has timeouts");
    // It may have answered and closed before it was sent all.
    let _ = socket.write_all(data);
    let mut said = Vec::new();
    if !hear(&mut socket, MOMENT, &mut said) {
        // Who closes his half is not answered: a server may take him for gone.
        let _ = socket.shutdown(Shutdown::Write);
        let is_closed = hear(&mut socket, BOUND, &mut said);
        assert!(is_closed, "the server neither speaks nor closes after {:?}", String::from_utf8_lossy(data));
    }
    said
}

/// Reads for as long as something comes within `wait`; whether the server has closed.
fn hear(socket: &mut TcpStream, wait: Duration, said: &mut Vec<u8>) -> bool {
    socket.set_read_timeout(Some(wait)).expect("a socket has timeouts");
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return true,
            Ok(n) => said.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(_) => return true,
        }
    }
}

/// A gateway without functions, for as long as the process lives.
fn server() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let (told, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                told.send(listener.local_addr().expect("an address")).expect("somebody waits for it");
                let catalog = Arc::new(ArcSwap::from_pointee(Catalog::empty()));
                let gateway = Gateway::new(GatewayConfig::default(), catalog, Arc::default(), &mut Registry::default());
                let _ = Arc::new(gateway).serve(listener, None, std::future::pending()).await;
            });
        });
        address.recv().expect("the server starts")
    })
}
