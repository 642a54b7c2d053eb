//! ONNX Runtime's shared library, from the wheel that its makers publish.
//!
//! It lies in the user's cache, where the server looks for it without being told; see `runtime/ARCHITECTURE.md`. The one
//! that can use a GPU lies beside it and is used where the configuration names it.

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

/// One of the two packages of ONNX Runtime.
struct Package {
    name: &'static str,
    /// What lies beside the library and is taken along.
    members: &'static [&'static str],
    pins: &'static [Pin],
}

const CPU: Package = Package {
    name: "onnxruntime",
    members: &["capi/libonnxruntime_providers_shared.so", "LICENSE", "ThirdPartyNotices.txt"],
    pins: &[
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
    ],
};

/// For CUDA 13 and cuDNN 9, which it does not bring.
const GPU: Package = Package {
    name: "onnxruntime-gpu",
    members: &[
        "capi/libonnxruntime_providers_shared.so",
        "capi/libonnxruntime_providers_cuda.so",
        "capi/libonnxruntime_providers_tensorrt.so",
        "LICENSE",
        "ThirdPartyNotices.txt",
    ],
    pins: &[Pin {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        wheel_sha256: "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
        library_sha256: "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
    }],
};

/// Makes sure that the library for the CPU is in the cache.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    lay(places, &CPU)
}

/// Makes sure that the library with CUDA and TensorRT is in the cache, in a folder of its own: 256 MB to fetch.
pub(crate) fn ensure_gpu(places: &Places) -> Result<String, Failure> {
    let done = lay(places, &GPU)?;
    Ok(format!("{done}; name that folder by `library` in [inference] of modelet.toml"))
}

fn lay(places: &Places, package: &Package) -> Result<String, Failure> {
    let folder = places.cache.join(format!("{}-{VERSION}", package.name));
    let name = format!("libonnxruntime.so.{VERSION}");
    let pin = package.pins.iter().find(|pin| pin.os == OS && pin.arch == ARCH).ok_or_else(|| {
        Failure::new(format!(
            "no {} is pinned for {OS} on {ARCH}; put your own (1.24 or later) at {} and go on without setup",
            package.name,
            folder.join("libonnxruntime.so").display()
        ))
    })?;
    if files::is_sound(&folder.join(&name), pin.library_sha256)? {
        return Ok(format!("{VERSION} is in {}", folder.display()));
    }
    let requirement = format!("{}=={VERSION}", package.name);
    let wheel = Wheel { requirement: &requirement, sha256: pin.wheel_sha256, platform: Some(pin.platform) };
    let unpacked = pypi::unpack(places, &wheel)?;
    let staging = Staging::beside(&folder)?;
    let library = format!("capi/{name}");
    for member in package.members.iter().copied().chain([&*library]) {
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
