//! ONNX Runtime's shared library, from the wheel that its makers publish.
//!
//! It lies in the user's cache, where the server looks for it without being told; see `runtime/ARCHITECTURE.md`.

use crate::failure::{Failure, While};
use crate::files::{self, Staging};
use crate::places::Places;
use crate::pypi::{self, Wheel};
use std::env::consts::{ARCH, OS};
use std::fs;
use std::os::unix::fs::symlink;

const VERSION: &str = "1.31.1";

/// What is fetched for one kind of machine.
struct Pin {
    os: &'static str,
    arch: &'static str,
    platform: &'static str,
    wheel_sha256: &'static str,
    library_sha256: &'static str,
}

const PINS: &[Pin] = &[
    Pin {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        wheel_sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    },
    Pin {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        wheel_sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        library_sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    },
];

/// Makes sure that the library is in the cache.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    let folder = places.cache.join(format!("onnxruntime-{VERSION}"));
    let name = format!("libonnxruntime.so.{VERSION}");
    let pin = PINS.iter().find(|pin| pin.os == OS && pin.arch == ARCH).ok_or_else(|| {
        Failure::new(format!(
            "no ONNX Runtime is pinned for {OS} on {ARCH}; put your own (1.24 or later) at {} and go on without setup",
            folder.join("libonnxruntime.so").display()
        ))
    })?;
    if files::is_sound(&folder.join(&name), pin.library_sha256)? {
        return Ok(format!("{VERSION} is in {}", folder.display()));
    }
    let requirement = format!("onnxruntime=={VERSION}");
    let wheel = Wheel { requirement: &requirement, sha256: pin.wheel_sha256, platform: Some(pin.platform) };
    let unpacked = pypi::unpack(places, &wheel)?;
    let staging = Staging::beside(&folder)?;
    for member in
        [&*format!("capi/{name}"), "capi/libonnxruntime_providers_shared.so", "LICENSE", "ThirdPartyNotices.txt"]
    {
        let from = unpacked.path().join("onnxruntime").join(member);
        let to = staging.path().join(member.trim_start_matches("capi/"));
        fs::copy(&from, &to).or_fail(|| format!("{member} of the wheel"))?;
    }
    files::check(&staging.path().join(&name), pin.library_sha256)?;
    // The name that the library gives itself, and the one that people look for.
    for link in ["libonnxruntime.so.1", "libonnxruntime.so"] {
        symlink(&name, staging.path().join(link)).or_fail(|| link.to_owned())?;
    }
    staging.publish(&folder)?;
    Ok(format!("{VERSION} laid in {}", folder.display()))
}
