//! Why a process ended without an answer.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::limits::ChildLimits;

/// The end of a process that was to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Death {
    /// It took longer than this and was ended.
    Time(Duration),
    /// It wrote more than an answer can have and was ended.
    Output,
    /// It took more than so many seconds of processor time.
    Cpu(u64),
    /// It wanted more than so many bytes of memory.
    Memory(u64),
    /// A file that it wrote became larger than it may be.
    File,
    /// Somebody killed it: the system for want of memory, or a person.
    Killed,
    /// It crashed, by this signal.
    Crashed(i32),
    /// It left with this status and without an answer.
    Left(i32),
    /// Nobody knows how.
    Unknown(String),
}

/// Signals that a process's own faults end it by.
const SIGNALS: [(i32, &str); 6] = [
    (4, "an illegal instruction"),
    (6, "it gave up"),
    (7, "a bus error"),
    (8, "an arithmetic fault"),
    (11, "a fault in memory"),
    (31, "a forbidden system call"),
];

/// What Rust says last when there is no memory.
const NO_MEMORY: &str = "memory allocation of ";

impl Death {
    /// How a process ended that had these limits and said this last.
    pub(super) fn of(status: ExitStatus, last_words: &str, limits: &ChildLimits) -> Self {
        match (status.signal(), status.code()) {
            (Some(24), _) => Self::Cpu(limits.cpu_s),
            (Some(25), _) => Self::File,
            (Some(9), _) => Self::Killed,
            (Some(6), _) if last_words.contains(NO_MEMORY) => Self::Memory(limits.memory_bytes),
            (Some(signal), _) => Self::Crashed(signal),
            (None, Some(code)) => Self::Left(code),
            (None, None) => Self::Unknown("it has neither a status nor a signal".to_owned()),
        }
    }
}

/// What a signal means, for a person.
pub(crate) fn meaning(signal: i32) -> &'static str {
    SIGNALS.iter().find(|(number, _)| *number == signal).map_or("it died", |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_name() {
        let limits = ChildLimits { memory_bytes: 1 << 30, cpu_s: 7, file_bytes: 0 };
        let of = |status, words| Death::of(ExitStatus::from_raw(status), words, &limits);
        let no_memory = "memory allocation of 9 bytes failed";
        for (status, words, death) in [
            (6, "terminate called", Death::Crashed(6)),
            (6, no_memory, Death::Memory(1 << 30)),
            (11, no_memory, Death::Crashed(11)),
            (24, "", Death::Cpu(7)),
            (25, "", Death::File),
            (9, "", Death::Killed),
            (3 << 8, "", Death::Left(3)),
        ] {
            assert_eq!(of(status, words), death);
        }
        assert_eq!((meaning(8), meaning(15)), ("an arithmetic fault", "it died"));
    }
}
