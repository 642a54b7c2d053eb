//! The `modelet` binary: wiring only. What it wires is in `crates/`.
//!
//! Where to begin: [`cli`] is what can be typed; `modelet serve` goes through [`config`] (as typed → checked) and
//! [`assemble`] (builds all, in order) to the gateway and the control plane. Nothing outside of this folder reads the
//! environment.

mod assemble;
mod backtraces;
mod certificates;
mod cli;
mod config;
mod descriptors;
mod divisions;
mod keyvalue;
mod memory;
mod outbound;
mod process;
mod shutdown;
mod systemd;
mod telemetry;
mod utilisation;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    backtraces::turn_off();
    // clap itself ends the process with 2 on wrong usage.
    let cli = cli::Cli::parse();
    let status = match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(1)
        }
    };
    modelet_inference::finish();
    status
}
