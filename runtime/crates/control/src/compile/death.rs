//! Why a component was not compiled, in words for whoever sent it.

use crate::child::{Death, meaning};

/// One sentence.
pub(crate) fn reason(death: &Death) -> String {
    match death {
        Death::Time(limit) => {
            format!("it took longer than {} s (server limit `compile_time`)", limit.as_secs_f64())
        }
        Death::Cpu(limit_s) => {
            format!("it took more than {limit_s} s of processor time (server limit `compile_cpu`)")
        }
        Death::Memory(limit) => {
            format!("it took more than {} MiB of memory (server limit `compile_memory`)", limit >> 20)
        }
        Death::File => "its code became larger than a file may be".to_owned(),
        Death::Output => "its compiler wrote more than an answer can have".to_owned(),
        Death::Killed => {
            "its compiler was killed, by the system for want of memory or by a person: try again".to_owned()
        }
        Death::Crashed(signal) => format!("its compiler crashed: {} (signal {signal})", meaning(*signal)),
        Death::Left(code) => format!("its compiler left with status {code} and without an answer"),
        Death::Unknown(why) => format!("its compiler ended without an answer: {why}"),
    }
}
