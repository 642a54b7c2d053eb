//! Why a trial ended without an answer, in words for whoever pushed the model.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::job::TrialLimits;

/// Why the server ended a trial itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It took too long.
    Time(Duration),
    /// It wrote more than an answer can have.
    Output,
}

/// Signals that a process's own limits or faults end it by.
const SIGNALS: [(i32, &str); 6] = [
    (4, "an illegal instruction"),
    (6, "ONNX Runtime gave up"),
    (7, "a bus error"),
    (8, "an arithmetic fault"),
    (11, "a fault in memory"),
    (31, "a forbidden system call"),
];

/// One sentence; the model's name stands before it.
pub(super) fn reason(status: ExitStatus, ended: Option<Ended>, limits: &TrialLimits) -> String {
    match ended {
        Some(Ended::Time(limit)) => {
            return format!("its trial took longer than {} s and was ended", limit.as_secs_f64());
        }
        Some(Ended::Output) => return "its trial wrote more than an answer can have and was ended".to_owned(),
        None => {}
    }
    let memory = limits.memory_bytes >> 20;
    match (status.signal(), status.code()) {
        (Some(24), _) => format!("its trial took more than {} s of processor time and was ended", limits.cpu_s),
        (Some(25), _) => "its optimised form became larger than a file may be, and its trial was ended".to_owned(),
        (Some(9), _) => format!(
            "its trial was killed: it took more than {} s of processor time, or the machine ran out of memory",
            limits.cpu_s
        ),
        (Some(signal), _) => {
            let known = SIGNALS.iter().find(|(number, _)| *number == signal);
            let what = known.map_or_else(|| "it died".to_owned(), |(_, what)| (*what).to_owned());
            format!(
                "loading it ended the process that tried it: {what} (signal {signal}), within {memory} MiB of memory"
            )
        }
        (None, Some(code)) => format!("the process that tried it left with status {code} and without an answer"),
        (None, None) => "the process that tried it ended without an answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_reason() {
        let limits = TrialLimits { memory_bytes: 1 << 30, cpu_s: 7, file_bytes: 0, arena_max_bytes: 0 };
        let by_signal = |signal| reason(ExitStatus::from_raw(signal), None, &limits);
        for (signal, words) in [
            (6, "ONNX Runtime gave up (signal 6), within 1024 MiB"),
            (11, "a fault in memory (signal 11)"),
            (24, "more than 7 s of processor time"),
            (25, "larger than a file may be"),
            (9, "killed"),
            (15, "it died (signal 15)"),
        ] {
            assert!(by_signal(signal).contains(words), "{}", by_signal(signal));
        }
        assert!(reason(ExitStatus::from_raw(3 << 8), None, &limits).contains("status 3"));
        let late = reason(ExitStatus::from_raw(9), Some(Ended::Time(Duration::from_secs(5))), &limits);
        assert!(late.contains("longer than 5 s"), "{late}");
    }
}
