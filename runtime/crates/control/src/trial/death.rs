//! Why a trial ended without an answer, in words for whoever pushed the model.

use crate::child::{ChildLimits, Death, meaning};

/// What ONNX Runtime does when it finds something that cannot be.
const SIGABRT: i32 = 6;

/// One sentence; the model's name stands before it.
pub(super) fn reason(death: &Death, limits: &ChildLimits) -> String {
    let crashed = |what: &str, signal: i32| {
        let memory = limits.memory_bytes >> 20;
        format!("loading it ended the process that tried it: {what} (signal {signal}), within {memory} MiB of memory")
    };
    match death {
        Death::Time(limit) => format!("its trial took longer than {} s and was ended", limit.as_secs_f64()),
        Death::Output => "its trial wrote more than an answer can have and was ended".to_owned(),
        Death::Cpu(limit_s) => format!("its trial took more than {limit_s} s of processor time and was ended"),
        Death::File => "its optimised form became larger than a file may be, and its trial was ended".to_owned(),
        Death::Killed => format!(
            "its trial was killed: it took more than {} s of processor time, or the machine ran out of memory",
            limits.cpu_s
        ),
        Death::Memory(_) => crashed("it found no more memory", SIGABRT),
        Death::Crashed(SIGABRT) => crashed("ONNX Runtime gave up", SIGABRT),
        Death::Crashed(signal) => crashed(meaning(*signal), *signal),
        Death::Left(code) => format!("the process that tried it left with status {code} and without an answer"),
        Death::Unknown(why) => format!("the process that tried it ended without an answer: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_end_has_its_reason() {
        let limits = ChildLimits { memory_bytes: 1 << 30, cpu_s: 7, file_bytes: 0 };
        for (death, words) in [
            (Death::Crashed(6), "ONNX Runtime gave up (signal 6), within 1024 MiB"),
            (Death::Memory(1 << 30), "no more memory (signal 6), within 1024 MiB"),
            (Death::Crashed(11), "a fault in memory (signal 11)"),
            (Death::Cpu(7), "more than 7 s of processor time"),
            (Death::File, "larger than a file may be"),
            (Death::Killed, "killed"),
            (Death::Crashed(15), "it died (signal 15)"),
            (Death::Left(3), "status 3"),
            (Death::Time(Duration::from_secs(5)), "longer than 5 s"),
        ] {
            let said = reason(&death, &limits);
            assert!(said.contains(words), "{said}");
        }
    }
}
