//! The standard library for wasm32-wasip2, which guests are built with.
//!
//! Two ways, each the other's fallback: rustup, and Debian's source package of this compiler. Whether the target is there is found out by
//! linking a program, because rustup does not know of a target that was built from source.

use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

const TARGET: &str = "wasm32-wasip2";

/// It takes 20 s where rustup's server can be reached; where it cannot, nobody should wait for long.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Makes sure that the target links.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    let ways = order(env::var("MODELET_WASM_TARGET").ok().as_deref())?;
    if links(places)? {
        return Ok(format!("{TARGET} is there"));
    }
    let mut failures = String::new();
    for way in ways {
        eprintln!("setup: {TARGET}: {}", way.describe());
        match way.install(places) {
            Ok(()) if links(places)? => {
                return Ok(format!("{TARGET} installed {}", way.describe()));
            }
            Ok(()) => failures += &format!("\n  {}: done, but a program still does not link", way.describe()),
            Err(failure) => failures += &format!("\n  {}: {failure}", way.describe()),
        }
    }
    Err(Failure::new(format!(
        "{TARGET} could not be installed:{failures}\nWhen rustup's server can be reached again: rustup target add {TARGET}"
    )))
}

/// A way to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `rustup target add`.
    Rustup,
    /// Built from Debian's source package.
    Source,
}

impl Way {
    fn describe(self) -> &'static str {
        match self {
            Self::Rustup => "by rustup",
            Self::Source => "from Debian's source package",
        }
    }

    fn install(self, places: &Places) -> Result<(), Failure> {
        let mut command = match self {
            Self::Rustup => {
                let mut rustup = Command::new("rustup");
                rustup.args(["target", "add", TARGET]).current_dir(&places.root);
                return process::run_within(&mut rustup, RUSTUP_LIMIT);
            }
            Self::Source => Command::new("bash"),
        };
        process::run(
            command.arg(places.root.join("runtime/xtask/scripts/install-wasm-target.sh")).current_dir(&places.root),
        )
    }
}

fn order(wish: Option<&str>) -> Result<[Way; 2], Failure> {
    match wish {
        None | Some("" | "rustup") => Ok([Way::Rustup, Way::Source]),
        Some("source") => Ok([Way::Source, Way::Rustup]),
        Some(other) => {
            Err(Failure::new(format!("MODELET_WASM_TARGET is `{other}`; it can be `rustup` (the default) or `source`")))
        }
    }
}

/// Whether the compiler of this repository links a program that uses std.
fn links(places: &Places) -> Result<bool, Failure> {
    let folder = env::temp_dir().join(format!("modelet-probe-{}", std::process::id()));
    fs::create_dir_all(&folder).or_fail(|| folder.display().to_string())?;
    let source = folder.join("probe.rs");
    fs::write(&source, "fn main() { println!(\"{:?}\", std::env::args()); }\n")
        .or_fail(|| source.display().to_string())?;
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--edition", "2024", "--target", TARGET, "-o"])
        .arg(folder.join("probe.wasm"))
        .arg(&source)
        .current_dir(&places.root);
    let linked = process::quietly(&mut rustc).is_ok();
    fs::remove_dir_all(&folder).or_fail(|| folder.display().to_string())?;
    Ok(linked)
}

#[cfg(test)]
mod tests {
    use super::{Way, order};

    #[test]
    fn each_way_is_the_others_fallback() {
        assert_eq!(order(None).unwrap(), [Way::Rustup, Way::Source]);
        assert_eq!(order(Some("source")).unwrap(), [Way::Source, Way::Rustup]);
        assert!(order(Some("magic")).unwrap_err().to_string().contains("`magic`"));
    }
}
