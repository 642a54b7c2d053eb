//! `cargo xtask soak`: a server at work for an hour; fails when it grows, keeps what it should give back, or loses an answer.

use crate::build::{self, cargo};
use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use crate::setup;

/// Sets up, builds the guests, and runs it. `debug`: with a server in the profile that tests and the demo have.
pub(crate) fn run(places: &Places, minutes: Option<&str>, debug: bool) -> Result<(), Failure> {
    setup::run(places)?;
    build::guests(places)?;
    // Without a package named, the debug server is made of what the tests have compiled.
    let built: &[&str] = if debug { &["--profile", "dev"] } else { &["--package", "modelet"] };
    let mut soak = cargo(places, &["bench", "--bench", "soak"]);
    soak.args(built);
    soak.arg("--");
    if let Some(minutes) = minutes {
        soak.args(["--minutes", minutes]);
    }
    process::run(soak.env_remove("RUST_BACKTRACE"))
}
