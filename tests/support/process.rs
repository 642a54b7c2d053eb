//! A running process from outside: its memory, and whether it is there at all. Linux only, as the tests are.

use std::fs;
use std::process::Command;

/// Resident memory of a process, in bytes.
///
/// # Panics
/// When the process has gone.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    status_kib(pid, "VmRSS") * 1024
}

/// The most that [`resident_bytes`] ever was.
///
/// # Panics
/// When the process has gone.
#[must_use]
pub fn resident_bytes_peak(pid: u32) -> u64 {
    status_kib(pid, "VmHWM") * 1024
}

/// From now on [`resident_bytes_peak`] is of what comes.
///
/// # Panics
/// When the process has gone.
pub fn forget_peak(pid: u32) {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Open file descriptors of a process.
///
/// # Panics
/// When the process has gone.
#[must_use]
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap_or_else(|error| panic!("process {pid}: {error}")).count()
}

/// Time that a process has had on processors, in seconds, without those that it started.
///
/// # Panics
/// When the process has gone.
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // After the name: the state is the first field, user and system time are the twelfth and the next one, in hundredths.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_else(|| panic!("{stat}"));
    (ticks(11) + ticks(12)) / 100.0
}

/// Whether the process runs.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything but ends at the last parenthesis: Z is one that has ended and was not waited for.
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|state| state != "Z" && state != "X")
}

/// Sends a signal (`TERM`, `KILL`, `HUP`), which the standard library cannot.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, name: &str) {
    let sent =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output().expect("`kill` is on every system");
    assert!(sent.status.success(), "kill -{name} {pid}: {}", String::from_utf8_lossy(&sent.stderr));
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{path} has no {field}"))
}
