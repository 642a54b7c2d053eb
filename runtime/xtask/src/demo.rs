//! `cargo xtask demo`: from a clone to the answer of a real model, through nothing but the `modelet` command.

use crate::build;
use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
use crate::server::Server;
use crate::setup;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FUNCTION: &str = "functions/file-type";
const ROUTE: &str = "/file-type";
/// What is posted: a file that everyone who reads this has.
const FILE: &str = "runtime/xtask/src/main.rs";

/// Sets up, builds, serves, deploys, asks, and leaves (or, with `keep`, leaves the server running).
pub(crate) fn run(places: &Places, keep: bool) -> Result<(), Failure> {
    setup::run(places)?;
    build::modelet(places)?;
    let site = Site::new(places, keep)?;
    say("starting the server");
    let server = Server::start(places, &site.data_dir, &site.log, site.arguments)?;
    say(&format!("it answers at {}, administration at {}", server.data_url, server.admin_url));
    let modelet = Modelet { places, data_dir: &site.data_dir };
    modelet.run(FUNCTION, &["build"])?;
    modelet.run(FUNCTION, &["deploy"])?;
    say(&format!("posting {FILE} to {ROUTE}"));
    let answer = process::quietly(&mut modelet.command(".", &["invoke", ROUTE, "-d", &format!("@{FILE}")]))?;
    println!("{}", answer.trim_end());
    if !answer.contains("\"rust\"") {
        return Err(Failure::new(format!("{FILE} is a Rust source file, and the model did not say so")));
    }
    if keep {
        say_how_to_go_on(&server);
        server.leave_running();
        return Ok(());
    }
    server.stop()?;
    say("the server has left. `cargo xtask demo --keep` leaves it running; then try, with any file:");
    say(&format!("    curl --data-binary @FILE http://127.0.0.1:8080{ROUTE}"));
    Ok(())
}

/// Where the demo's server keeps its things.
struct Site {
    data_dir: PathBuf,
    log: PathBuf,
    arguments: &'static [&'static str],
    /// Removed at the end, unless the server stays.
    scratch: Option<PathBuf>,
}

impl Site {
    fn new(places: &Places, keep: bool) -> Result<Self, Failure> {
        if keep {
            let log = places.target.join("demo-server.log");
            return Ok(Self { data_dir: places.root.join(".modelet"), log, arguments: &[], scratch: None });
        }
        let scratch = env::temp_dir().join(format!("modelet-demo-{}", std::process::id()));
        fs::create_dir_all(&scratch).or_fail(|| scratch.display().to_string())?;
        let arguments = &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        Ok(Self { data_dir: scratch.join("data"), log: scratch.join("server.log"), arguments, scratch: Some(scratch) })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(scratch) = &self.scratch {
            // A leftover in the system's temporary folder is no reason to call the demo failed.
            let _ = fs::remove_dir_all(scratch);
        }
    }
}

/// The command-line client, pointed at the demo's server.
struct Modelet<'a> {
    places: &'a Places,
    data_dir: &'a Path,
}

impl Modelet<'_> {
    fn run(&self, folder: &str, arguments: &[&str]) -> Result<(), Failure> {
        process::run(&mut self.command(folder, arguments))
    }

    fn command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut modelet = Command::new(self.places.modelet());
        modelet.args(arguments).arg("--data-dir").arg(self.data_dir);
        modelet.current_dir(self.places.root.join(folder));
        // A user's own server must not get the demo's function.
        modelet.env_remove("MODELET_URL").env_remove("MODELET_KEY");
        modelet
    }
}

fn say_how_to_go_on(server: &Server) {
    say("the server goes on. With any file:");
    say(&format!("    curl --data-binary @FILE {}{ROUTE}", server.data_url));
    say(&format!("its metrics: curl {}/metrics", server.admin_url));
    if let Some(pid) = server.pid() {
        say(&format!("to stop it: kill {pid}"));
    }
}

fn say(what: &str) {
    eprintln!("demo: {what}");
}
