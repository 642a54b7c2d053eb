//! What happens when a guest has ended, which may be long after its answer went out.

use std::sync::Arc;
use std::time::Duration;

use modelet_engine::{Ended, Fault, Function};
use modelet_spec::InvocationId;

use crate::admit::Permits;
use crate::meter::Meter;

/// Holds an invocation's permits until its guest has ended, then counts and logs how.
pub(crate) struct Watch {
    pub(crate) id: InvocationId,
    pub(crate) function: Arc<Function>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) permits: Permits,
}

impl Watch {
    /// The guest has ended, after so much time on a processor.
    pub(crate) fn ended(self, ended: Ended, cpu: Duration) {
        // First of all: whoever waits for the permits need not wait for a log line.
        drop(self.permits);
        self.meter.computed(cpu);
        let Some(end) = Bad::of(&ended) else {
            return;
        };
        self.meter.trap(end.kind);
        let spec = self.function.spec();
        let (invocation, kind, fault, detail) = (self.id, end.kind, end.what, end.detail);
        let (tenant, function, version) = (&spec.tenant, &spec.function, spec.version);
        if end.is_ours {
            tracing::error!(%invocation, %tenant, %function, %version, kind, detail, "{fault}");
        } else {
            tracing::warn!(%invocation, %tenant, %function, %version, kind, detail, "{fault}");
        }
    }
}

/// An end that somebody should hear of.
#[derive(Debug, PartialEq, Eq)]
struct Bad<'a> {
    kind: &'static str,
    what: &'static str,
    /// The operator's part, with the guest's own backtrace.
    detail: &'a str,
    /// The host's fault: a person must look at it.
    is_ours: bool,
}

impl<'a> Bad<'a> {
    fn of(ended: &'a Ended) -> Option<Self> {
        let guest =
            |what, fault: &'a Fault| Self { kind: fault.kind.name(), what, detail: &fault.detail, is_ours: false };
        match ended {
            Ended::Finished | Ended::Exhausted | Ended::Asleep | Ended::Cancelled => None,
            Ended::NoAnswer(fault) => Some(guest("the function gave no answer", fault)),
            Ended::Trapped(fault) => Some(guest("the function trapped", fault)),
            Ended::OverLimit(fault) => Some(guest("the function went over a limit", fault)),
            Ended::TimedOut(fault) => Some(guest("the function was stopped at its deadline", fault)),
            Ended::HostFault(fault) => {
                Some(Self { is_ours: true, ..guest("the host failed while a function ran", fault) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_engine::FaultKind;

    fn fault(kind: FaultKind) -> Fault {
        Fault { kind, public: "public".to_owned(), detail: "with a backtrace".to_owned() }
    }

    #[test]
    fn an_end_that_is_nobodys_fault_is_not_logged() {
        assert_eq!(Bad::of(&Ended::Finished), None);
        assert_eq!(Bad::of(&Ended::Cancelled), None);
    }

    #[test]
    fn the_log_gets_the_operators_part_and_only_the_hosts_faults_are_errors() {
        let cases = [
            (Ended::NoAnswer(fault(FaultKind::NoAnswer)), "no-answer", false),
            (Ended::Trapped(fault(FaultKind::Unreachable)), "unreachable", false),
            (Ended::OverLimit(fault(FaultKind::Memory)), "memory", false),
            (Ended::TimedOut(fault(FaultKind::Time)), "time", false),
            (Ended::HostFault(fault(FaultKind::Host)), "host", true),
        ];
        for (ended, kind, is_ours) in cases {
            let bad = Bad::of(&ended).unwrap();
            assert_eq!((bad.kind, bad.detail, bad.is_ours), (kind, "with a backtrace", is_ours));
        }
    }
}
