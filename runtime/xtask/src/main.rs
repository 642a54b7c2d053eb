//! `cargo xtask`: what one does with this repository, from a machine that has only Rust, git and Python.
//!
//! It is made of the standard library alone, so that it runs seconds after a clone. It starts other programs (cargo, pip, bash) and
//! says what they do; what they make is checked here. It is no part of the server and knows nothing about its insides: the
//! demo goes through the `modelet` command like a user.
//!
//! Begin with `setup`, which everything else calls first; `demo` and `test` are the two commands of the README.

mod bench;
mod build;
mod chaos;
mod ci;
mod command;
mod conformance;
mod demo;
mod failure;
mod files;
mod http;
mod languages;
mod places;
mod process;
mod pypi;
mod server;
mod setup;
mod soak;
mod test;
mod venv;

use command::{Command, USAGE};
use failure::Failure;
use places::Places;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect();
    let command = match Command::parse(arguments) {
        Ok(command) => command,
        Err(problem) => {
            eprintln!("xtask: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match perform(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<(), Failure> {
    if matches!(command, Command::Help) {
        println!("{USAGE}");
        return Ok(());
    }
    let places = Places::find()?;
    match command {
        Command::Help => Ok(()),
        Command::Setup { benches, gpu } => {
            setup::run(&places)?;
            if benches {
                setup::for_benches(&places)?;
            }
            if gpu { setup::for_gpus(&places) } else { Ok(()) }
        }
        Command::Demo { keep } => demo::run(&places, keep),
        Command::Test { arguments } => test::run(&places, &arguments),
        Command::Ci => ci::run(&places),
        Command::Bench { name, arguments } => bench::run(&places, &name, &arguments),
        Command::Soak { minutes, debug } => soak::run(&places, minutes.as_deref(), debug),
        Command::Chaos { arguments, debug } => chaos::run(&places, &arguments, debug),
        Command::Conformance { arguments } => conformance::run(&places, &arguments),
    }
}
