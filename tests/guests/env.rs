//! Looks for what the standards link but a function has not: answers `{"args", "vars", "cwd", "root", "file", "stdin", "tcp",
//! "udp", "names"}`, each a count where there is a list, or what came of the attempt (`null` where it worked).
use std::fmt::Display;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use modelet_sdk::{Error, Request, Response, handler};
use serde_json::{Value, json};

handler!(look);

fn look(_: Request) -> Result<Response, Error> {
    let mut input = Vec::new();
    Response::json(&json!({
        "args": std::env::args().count(),
        "vars": std::env::vars().count(),
        "cwd": failure(std::env::current_dir().and_then(std::fs::read_dir)),
        "root": failure(std::fs::read_dir("/")),
        "file": failure(std::fs::write("left-by-a-guest", b"x")),
        "stdin": std::io::stdin().read_to_end(&mut input).map_or_else(|error| error.to_string().into(), Value::from),
        "tcp": failure(TcpStream::connect("127.0.0.1:80")),
        "udp": failure(UdpSocket::bind("127.0.0.1:0")),
        "names": failure(("localhost", 80).to_socket_addrs()),
    }))
}

fn failure<T, E: Display>(attempt: Result<T, E>) -> Value {
    attempt.err().map_or(Value::Null, |error| error.to_string().into())
}
