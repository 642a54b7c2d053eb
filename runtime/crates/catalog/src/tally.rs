//! How the answers of a shadow compare with those that clients got.

use modelet_spec::InvocationId;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The differences that are kept to be looked at, the newest.
const RECENT_MAX: usize = 16;

/// How one copy of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same status and the same body.
    Same,
    /// Another status.
    Status,
    /// The same status, another body.
    Body,
    /// No answer: it trapped, went over a limit, or took too long.
    Failed,
    /// It was not sent: too many copies were on their way.
    Busy,
    /// It was not sent, or not compared: the request or the answer is too large to be kept.
    Large,
    /// It was not sent: the client's own request did not come to a whole answer, or its body was not read to the end.
    Unfinished,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Same, Self::Status, Self::Body, Self::Failed, Self::Busy, Self::Large, Self::Unfinished];

    /// The name in metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Status => "status",
            Self::Body => "body",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Large => "large",
            Self::Unfinished => "unfinished",
        }
    }

    /// Whether the shadow answered otherwise than the client was answered.
    #[must_use]
    pub fn is_difference(self) -> bool {
        matches!(self, Self::Status | Self::Body | Self::Failed)
    }
}

/// A request that the shadow answered otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The client's request.
    pub invocation: InvocationId,
    /// In what they differ.
    pub verdict: Verdict,
    /// The status that the client got.
    pub status: &'static str,
    /// The shadow's status, or what became of it.
    pub shadow: &'static str,
}

/// Counts verdicts; shared by the catalogs of one setting.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; Verdict::ALL.len()],
    recent: Mutex<VecDeque<Difference>>,
}

impl Tally {
    /// Counts a verdict.
    pub fn count(&self, verdict: Verdict) {
        if let Some(count) = Verdict::ALL.iter().zip(&self.counts).find(|(known, _)| **known == verdict) {
            count.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a difference and keeps it among the last.
    pub fn differs(&self, difference: Difference) {
        self.count(difference.verdict);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(difference);
    }

    /// How often each verdict was counted.
    #[must_use]
    pub fn counts(&self) -> [(Verdict, u64); Verdict::ALL.len()] {
        let mut counts = Verdict::ALL.map(|verdict| (verdict, 0));
        counts.iter_mut().zip(&self.counts).for_each(|((_, count), counted)| *count = counted.load(Ordering::Relaxed));
        counts
    }

    /// The last differences, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Difference> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_counted_and_the_last_differences_are_kept() {
        let tally = Tally::default();
        tally.count(Verdict::Same);
        for number in 0..20 {
            let invocation = InvocationId::new(number);
            tally.differs(Difference { invocation, verdict: Verdict::Body, status: "200", shadow: "200" });
        }
        let counted: Vec<_> = tally.counts().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Verdict::Same, 1), (Verdict::Body, 20)]);
        let recent: Vec<u128> = tally.recent().iter().map(|difference| difference.invocation.get()).collect();
        assert_eq!((recent.len(), recent.first(), recent.last()), (16, Some(&19), Some(&4)));
    }
}
