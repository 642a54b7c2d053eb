//! `cargo xtask ci`: what must hold before a change goes in, in the order in which a person wants to hear of it.

use crate::build::{self, cargo};
use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
use crate::{chaos, conformance, demo, setup, soak, test};
use std::time::{Duration, Instant};

/// Runs every step up to the first that fails, and says how long each took.
pub(crate) fn run(places: &Places) -> Result<(), Failure> {
    let steps: [Step; 10] = [
        ("setup", setup::run),
        ("formatting", formatting),
        ("lints", lints),
        ("lints of the guests", lints_of_guests),
        ("documentation", documentation),
        ("test", |places| test::run(places, &[])),
        ("admin API", conformance::admin_api),
        ("demo", |places| demo::run(places, false)),
        ("soak", |places| soak::run(places, Some("5"), true)),
        ("chaos", |places| chaos::run(places, &["--cycles", "10"].map(str::to_owned), true)),
    ];
    let mut times = Vec::new();
    for (name, step) in steps {
        eprintln!("\nci: {name}");
        let start = Instant::now();
        let outcome = step(places);
        times.push((name, start.elapsed()));
        if outcome.is_err() {
            print_times(&times, "failed");
        }
        outcome.or_fail(|| format!("ci failed at `{name}`"))?;
    }
    print_times(&times, "passed");
    Ok(())
}

/// A step's name and what it does.
type Step = (&'static str, fn(&Places) -> Result<(), Failure>);

fn formatting(places: &Places) -> Result<(), Failure> {
    process::run(&mut cargo(places, &["fmt", "--all", "--check"]))
}

fn lints(places: &Places) -> Result<(), Failure> {
    process::run(&mut cargo(places, &["clippy", "--all-targets", "--", "-D", "warnings"]))
}

/// In the guest profile, so that the macros which guests are made with are compiled once for this and for building them.
fn lints_of_guests(places: &Places) -> Result<(), Failure> {
    let mut clippy = cargo(places, &["clippy", "--profile", "guest", "--target", "wasm32-wasip2"]);
    clippy.args(["--package", "modelet-sdk", "--package", "modelet-test-guests", "--lib", "--examples"]);
    for name in build::functions_of(places)? {
        clippy.args(["--package", &name]);
    }
    process::run(clippy.args(["--", "-D", "warnings"]))
}

/// The SDK's is made for the target that its readers write for.
fn documentation(places: &Places) -> Result<(), Failure> {
    let sdk = ["doc", "--no-deps", "--package", "modelet-sdk", "--profile", "guest", "--target", "wasm32-wasip2"];
    for arguments in [&["doc", "--no-deps"][..], &sdk] {
        process::run(cargo(places, arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

fn print_times(times: &[(&str, Duration)], verdict: &str) {
    eprintln!("\nci {verdict}:");
    for (name, time) in times {
        eprintln!("  {name:<20} {:>7.1} s", time.as_secs_f64());
    }
    eprintln!("  {:<20} {:>7.1} s", "all", times.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>());
}
