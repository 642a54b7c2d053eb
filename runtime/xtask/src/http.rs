//! The one HTTP request that this program makes itself: is the server ready?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A server that is up answers this in far less.
const LIMIT: Duration = Duration::from_secs(5);

/// The status of `GET path` at `base` (`http://HOST:PORT`), or `None` when nobody answers.
pub(crate) fn status(base: &str, path: &str) -> Option<u16> {
    let address = base.strip_prefix("http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(1024).read_to_string(&mut answer).ok()?;
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// The string or number that `key` has in a flat JSON object, such as the server's `server.json`.
pub(crate) fn json_field<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let after = object.split_once(&format!("\"{key}\""))?.1.trim_start().strip_prefix(':')?.trim_start();
    match after.strip_prefix('"') {
        Some(text) => text.split_once('"').map(|(value, _)| value),
        None => after.split([',', '}', '\n']).next().map(str::trim_end),
    }
}

#[cfg(test)]
mod tests {
    use super::{json_field, status};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn fields_are_found_however_the_object_is_laid_out() {
        for object in [
            "{\"admin_url\":\"http://127.0.0.1:1\",\"pid\":42}",
            "{\n  \"pid\": 42,\n  \"admin_url\": \"http://127.0.0.1:1\"\n}\n",
        ] {
            assert_eq!(json_field(object, "admin_url"), Some("http://127.0.0.1:1"));
            assert_eq!(json_field(object, "pid"), Some("42"));
            assert_eq!(json_field(object, "data_url"), None);
        }
    }

    #[test]
    fn a_status_is_read_and_silence_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        assert_eq!(status(&base, "/readyz"), Some(503));
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        assert_eq!(status(&base, "/readyz"), None);
    }
}
