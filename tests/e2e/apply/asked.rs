//! What `modelet apply` asks a server for before it does anything, and what it makes of an answer that is none.

use super::{Files, inline, model};
use modelet_tests::cli::{Ran, modelet, ran};
use modelet_tests::{Answer, Function, TestHost, client, places};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server between a command and an admin API: writes down what is asked for, and has no answer for one path.
struct Front {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Front {
    fn of(host: &TestHost, broken: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, behind) = (Arc::new(Mutex::new(Vec::new())), (host.admin_url.clone(), host.key()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A command that has ended is no failure of ours.
                let _ = pass(stream, &behind, &seen, broken);
            }
        });
        Self { url, asked }
    }

    fn apply(&self, files: &Files) -> Ran {
        let mut apply = modelet();
        apply.args(["apply", &files.0.display().to_string(), "--dry-run", "--prune"]);
        ran(apply.env("MODELET_URL", &self.url).env("MODELET_KEY", "the front has its own"))
    }
}

/// Answers one request and hangs up.
fn pass(
    stream: TcpStream,
    (url, key): &(String, String),
    asked: &Mutex<Vec<String>>,
    broken: &str,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let line = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = line.split(' ').nth(1).unwrap_or_default();
    asked.lock().unwrap().push(path.to_owned());
    let answer = match path.split('?').next() == Some(broken) {
        true => Answer { status: 500, headers: Default::default(), body: b"no word".to_vec() },
        false => {
            let bearer = format!("Bearer {key}");
            client::send("GET", &format!("{url}{path}"), &[("authorization", &bearer)], b"").unwrap()
        }
    };
    let (status, length) = (answer.status, answer.body.len());
    write!(&stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    (&stream).write_all(&answer.body)
}

/// Two functions with one model of their own, one of them with its requests shared out.
fn files(host: &TestHost) -> Files {
    let files = Files::of(host);
    for name in ["one", "two"] {
        Function::guest("nn").named(name).model_file("m", &places::model("digits")).lay(&files.0.join(name));
    }
    let traffic = "[[traffic]]\nfunction = \"one\"\nversions = { latest = 100 }\n";
    let pushed = format!("[[model]]\nname = \"pushed\"\nsource = {}\ngrants = []\n", model("digits"));
    files.write("a.toml", &format!("{pushed}{}{traffic}", inline("plain", "hello", "")));
    files.apply(host, &[]).done();
    files
}

#[test]
fn each_thing_is_asked_for_once_and_of_a_function_its_newest_version_alone() {
    let host = TestHost::start();
    let files = files(&host);
    let front = Front::of(&host, "/nothing");
    let said = front.apply(&files).done();
    assert!(said.ends_with("0 removed, 5 unchanged; nothing to do\n"), "{said}");
    let asked = front.asked.lock().unwrap().clone();
    let once: BTreeSet<&String> = asked.iter().collect();
    assert_eq!(once.len(), asked.len(), "{asked:#?}");
    let of_plain: Vec<&String> = asked.iter().filter(|path| path.contains("/plain/")).collect();
    assert_eq!(of_plain, ["/v1/functions/plain/versions?tenant=default&limit=1"]);
    host.stop();
}

#[test]
fn a_server_that_cannot_say_what_a_model_is_ends_it_and_one_that_has_it_no_longer_gets_it_again() {
    let host = TestHost::start();
    let files = files(&host);
    let line = Front::of(&host, "/v1/models/m").apply(&files).refused();
    assert!(line.contains("answered 500"), "it is not taken for another model: {line}");
    host.modelet(["model", "remove", "m", "--force"]).done();
    let done = files.settle(&host, &[]);
    assert!(done.contains(&"changed function default/one".to_owned()), "{done:?}");
    host.stop();
}
