//! `modelet top`: what the server does, as a picture, as JSON, and when there is none.

use modelet_tests::wait::SetAtEnd;
use modelet_tests::{Function, TestHost, cli};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The row of a list whose `key` is `name`.
#[track_caller]
fn row<'a>(picture: &'a Value, list: &str, key: &str, name: &str) -> &'a Value {
    let rows = picture[list].as_array().unwrap();
    rows.iter().find(|row| row[key] == name).unwrap_or_else(|| panic!("no {name}: {picture:#}"))
}

/// Asks the routes in turn, until `top` with these arguments has ended; what that printed.
fn top_beside(host: &TestHost, routes: &[(&str, u16)], arguments: &[&str]) -> cli::Ran {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _done = SetAtEnd(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (route, status) in routes {
                    assert_eq!(host.get(route).status, *status, "{route}");
                }
            }
        });
        host.modelet([&["top", "--interval", "2s"][..], arguments].concat())
    })
}

#[test]
fn top_shows_what_functions_and_models_do() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    let _quiet = host.once(&Function::guest("hello").named("quiet"));
    let trap = host.guest("trap");
    let nn = host.once(&Function::guest("nn_loop").named("counted").model("digits"));
    let nn = format!("{nn}?n=1");
    let routes = [(hello.as_str(), 200), (trap.as_str(), 502), (nn.as_str(), 200)];
    let picture = top_beside(&host, &routes, &["--json"]).json();
    assert!(picture["seconds"].as_f64().unwrap() >= 2.0, "{picture:#}");
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_else(|| panic!("no {key}: {row:#}"));
    let row_of = |name| row(&picture, "functions", "function", name);
    for name in ["hello", "trap", "counted"] {
        let function = row_of(name);
        assert!(number(function, "requests_per_second") > 0.0, "{function:#}");
        assert!(number(function, "p50_ms") <= number(function, "p99_ms"), "{function:#}");
        assert_eq!(function["version"], "1");
    }
    let trap = row_of("trap");
    assert_eq!(number(trap, "errors_per_second"), number(trap, "requests_per_second"), "all of them: {trap:#}");
    assert_eq!(number(row_of("hello"), "errors_per_second"), 0.0);
    assert!(number(row_of("hello"), "busy") + number(row_of("hello"), "idle") >= 1.0);
    let digits = row(&picture, "models", "model", "digits");
    assert!(number(digits, "calls_per_second") > 0.0 && number(digits, "resident_bytes") > 0.0, "{digits:#}");
    assert_eq!((number(digits, "sessions"), &digits["devices"][0]), (1.0, &Value::from("cpu")));
    let server = &picture["server"];
    let levels = ["disk", "component", "warm", "busy"].map(|level| number(&server["levels"], level));
    assert_eq!(levels.iter().sum::<f64>(), 4.0, "each function is on one step: {server:#}");
    assert!(number(server, "requests_per_second") >= number(row_of("hello"), "requests_per_second"));
    assert!(number(server, "resident_bytes") > f64::from(1 << 20) && number(server, "cores") > 0.0, "{server:#}");
    host.stop();
}

#[test]
fn top_in_a_pipe_is_one_picture_sorted_as_asked() {
    let host = TestHost::start();
    let (busy, quiet) = (host.once(&Function::guest("hello").named("z-busy")), host.guest("hello"));
    assert_eq!(host.get(&quiet).status, 200);
    for (arguments, expected) in [(&[][..], ["z-busy", "hello"]), (&["--sort", "name"], ["hello", "z-busy"])] {
        let text = top_beside(&host, &[(busy.as_str(), 200)], arguments).done();
        assert!(!text.contains('\u{1b}'), "nothing for a terminal: {text:?}");
        let rows = text.lines().skip_while(|line| !line.starts_with("FUNCTION")).skip(1);
        let names: Vec<&str> = rows.map(|row| row.split_whitespace().next().unwrap_or_default()).collect();
        assert_eq!(names, expected, "{text}");
        for word in [host.admin_url.as_str(), "requests ", "functions ", "instances ", "memory ", " resident"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    host.stop();
}

#[test]
fn top_of_one_tenant_has_its_rows_alone_and_of_no_server_says_so() {
    let host = TestHost::start();
    assert_eq!(host.get(&host.guest("hello")).status, 200);
    let picture = host.modelet(["top", "--json", "--interval", "100ms", "--tenant", "acme"]).json();
    assert_eq!(picture["functions"], Value::Array(Vec::new()));
    assert_eq!(picture["server"]["instances_idle"], 1.0, "the server is everybody's");
    host.stop();
    let folder = tempfile::tempdir().unwrap();
    let none = cli::run_in(folder.path(), ["top"]).refused();
    assert!(none.contains("no server runs") && none.contains("modelet serve"), "{none}");
    let closed = cli::run_in(folder.path(), ["top", "--url", "http://127.0.0.1:1"]).refused();
    assert!(closed.contains("no server listens"), "{closed}");
    for wrong in [["--sort", "luck"], ["--interval", "1ms"]] {
        assert_eq!(cli::run_in(folder.path(), [&["top"][..], &wrong].concat()).status, Some(2), "{wrong:?}");
    }
}
