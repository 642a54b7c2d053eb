//! `modelet doctor`: what this machine lacks, and the fix.

mod data;
mod devices;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::bail;
use modelet_inference::{OpenError, Runtime};
use serde::Serialize;

use super::check::sources;
use super::output;
use super::{ConfigArgs, DoctorArgs};
use crate::config::Config;

/// The target that functions are built for.
const TARGET: &str = "wasm32-wasip2";

/// One thing that a machine has or lacks.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'static str>,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// There.
    Ok,
    /// Not there, and nothing here needs it.
    Optional,
    /// Not there, and needed.
    Missing,
}

pub(crate) fn run(args: &DoctorArgs, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let given = ConfigArgs { config: args.config.clone(), listen: None, admin_listen: None };
    let config = Config::load(&sources(&given, data_dir))?;
    let runtime = Runtime::open(&crate::assemble::cpu_config(&config));
    let mut findings = vec![wasm_target(), onnx_runtime(&config, &runtime), gpu()];
    findings.extend(devices::findings(&config.inference.devices, runtime.as_ref().ok()));
    if args.verify {
        findings.extend(data::findings(&config.data_dir));
    }
    if args.json {
        output::json(&serde_json::json!({ "findings": findings }))?;
    } else {
        findings.iter().for_each(print);
    }
    let missing: Vec<&str> = findings.iter().filter(|f| f.state == State::Missing).map(|f| &*f.what).collect();
    if !missing.is_empty() {
        bail!("missing: {}; the fix stands beside each", missing.join(", "));
    }
    Ok(())
}

fn print(finding: &Finding) {
    output::line(&text(finding));
}

/// A line, and one for the fix.
fn text(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Ok => "ok",
        State::Optional => "none",
        State::Missing => "MISSING",
    };
    let line = format!("{mark:8} {:14} {}", finding.what, finding.detail);
    finding.fix.map_or_else(|| line.clone(), |fix| format!("{line}\n{:8} {:14} fix: {fix}", "", ""))
}

fn wasm_target() -> Finding {
    let found = |state, detail, fix| Finding { what: "wasm target".to_owned(), state, detail, fix };
    let Some(libdir) = rustc_libdir() else {
        let detail = "there is no Rust here; only building functions in Rust needs it".to_owned();
        return found(State::Optional, detail, Some("install Rust from https://rustup.rs, then `cargo xtask setup`"));
    };
    // A target's folder alone is not enough: it must hold the standard library.
    let has_std = std::fs::read_dir(&libdir)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")));
    if has_std {
        return found(State::Ok, format!("{TARGET} in {libdir}"), None);
    }
    let fix = "`cargo xtask setup`, or `rustup target add wasm32-wasip2`";
    found(State::Missing, format!("this Rust cannot build for {TARGET}"), Some(fix))
}

fn rustc_libdir() -> Option<String> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn onnx_runtime(config: &Config, runtime: &Result<Runtime, OpenError>) -> Finding {
    let found = |state, detail, fix| Finding { what: "ONNX Runtime".to_owned(), state, detail, fix };
    let place = crate::assemble::cpu_config(config).library.find().map(|path| path.display().to_string());
    match runtime {
        Ok(_) => found(State::Ok, place.unwrap_or_default(), None),
        Err(error) => {
            found(State::Missing, error.to_string(), Some("`cargo xtask setup`, or set `library` in [inference]"))
        }
    }
}

fn gpu() -> Finding {
    let found = |state, detail: &str| Finding { what: "GPU".to_owned(), state, detail: detail.to_owned(), fix: None };
    if Path::new("/dev/nvidiactl").exists() {
        return found(State::Ok, "an NVIDIA card is there; whether models can run on it stands below");
    }
    found(State::Optional, "no NVIDIA card; models run on the CPU")
}
