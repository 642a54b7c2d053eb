//! Starting other programs.

use crate::failure::{Failure, While};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a child that has a time limit is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Runs a program whose output the person sees, and fails with its command line unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().or_fail(|| format!("`{}` did not start", line(command)))?;
    succeeded(command, status)
}

/// Runs a program quietly; when it fails, what it wrote to stderr is part of the failure.
pub(crate) fn quietly(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().or_fail(|| format!("`{}` did not start", line(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!("`{}` failed ({}):\n{}", line(command), output.status, last_lines(&output))))
}

/// Like [`run`], but a program that takes longer than `limit` is killed and counts as failed.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<(), Failure> {
    let mut child = command.stdin(Stdio::null()).spawn().or_fail(|| format!("`{}` did not start", line(command)))?;
    match wait_within(&mut child, limit)? {
        Some(status) => succeeded(command, status),
        None => {
            child.kill().and_then(|()| child.wait()).or_fail(|| format!("`{}` could not be stopped", line(command)))?;
            Err(Failure::new(format!("`{}` took longer than {} s", line(command), limit.as_secs())))
        }
    }
}

/// Waits for a child for at most `limit`; `None` when it still runs then.
pub(crate) fn wait_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let until = Instant::now() + limit;
    loop {
        let status = child.try_wait().or_fail(|| "waiting for a child process".to_owned())?;
        if status.is_some() || Instant::now() >= until {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

/// Whether the program can be started with these arguments and succeeds.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{}` failed ({status})", line(command)))) }
}

/// Enough of stderr to see the reason, or of stdout for programs that complain there.
fn last_lines(output: &Output) -> String {
    let stream = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(stream);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.iter().skip(lines.len().saturating_sub(20)).map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{quietly, run_within, works};
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_failure_carries_the_command_and_its_complaint() {
        let failure =
            quietly(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"])).unwrap_err().to_string();
        assert!(failure.contains("no such luck") && failure.contains("sh -c"), "{failure}");
    }

    #[test]
    fn a_program_over_its_limit_is_stopped() {
        let failure = run_within(Command::new("sleep").arg("600"), Duration::from_millis(50)).unwrap_err().to_string();
        assert!(failure.contains("took longer"), "{failure}");
    }

    #[test]
    fn a_missing_program_does_not_work() {
        assert!(works("true", &[]));
        assert!(!works("no-such-program-anywhere", &[]));
    }
}
