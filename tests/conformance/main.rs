//! `conformance DATA_DIR [--limit N] [--json]`: the ONNX project's node cases on a server of its own, through a guest.
//!
//! `DATA_DIR` holds `node/`, as `cargo xtask conformance` lays it. Exits with 0 when every case did what
//! `expected_fail.txt` says, with 1 when one did not, with 2 on wrong usage.
#![allow(clippy::print_stderr, reason = "a command says on stderr what is wrong")]

use modelet_tests::{TestHost, conformance};
use std::path::PathBuf;
use std::process::ExitCode;

struct Arguments {
    folder: PathBuf,
    limit: Option<usize>,
    json: bool,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: conformance DATA_DIR [--limit N] [--json]");
        return ExitCode::from(2);
    };
    let node = arguments.folder.join("node");
    if !node.is_dir() {
        eprintln!("{} is not there: `cargo xtask conformance` lays the cases", node.display());
        return ExitCode::from(2);
    }
    let host = TestHost::start();
    let report = conformance::run(&host, &node, arguments.limit);
    host.stop();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print!("{report}");
    }
    if report.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { folder: PathBuf::from(words.next()?), limit: None, json: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => arguments.json = true,
            "--limit" => arguments.limit = Some(words.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(arguments)
}
