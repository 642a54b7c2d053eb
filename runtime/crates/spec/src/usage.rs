//! What was used, in numbers that can be added up: whoever counts, keeps and shows it speaks of it so.

use crate::name::TenantName;
use std::fmt;
use std::str::FromStr;

/// Whose use, and of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Used {
    /// Who is to pay for it.
    pub tenant: TenantName,
    /// What kind of thing.
    pub kind: UsedKind,
    /// The function; or the model as this tenant names it: another's is `OWNER/NAME`.
    pub name: String,
    /// The function's version, or the device that the model ran on.
    pub part: String,
}

/// What kind of thing was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsedKind {
    /// A function: requests, processor time and bytes.
    Function,
    /// A model: runs, rows and the time of its sessions.
    Model,
}

/// How much. Of a function the last three are 0, of a model all the others are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Requests to a function, whatever became of them.
    pub requests: u64,
    /// Those that it did not answer itself, refused ones among them.
    pub unanswered: u64,
    /// Those that no guest saw.
    pub refused: u64,
    /// Time of guests on a processor, in microseconds.
    pub cpu_us: u64,
    /// Bytes of requests' bodies.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Runs of a model that had rows of this tenant.
    pub runs: u64,
    /// These rows.
    pub rows: u64,
    /// Time of the model's sessions, in microseconds; of a run that several share, by the part of their rows.
    pub busy_us: u64,
}

impl UsedKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for UsedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for UsedKind {
    type Err = crate::error::UsedKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Function, Self::Model].into_iter().find(|kind| kind.name() == text).ok_or(crate::error::UsedKindError)
    }
}

impl UsageCounts {
    /// How many numbers there are.
    pub const FIELDS: usize = 9;

    /// All numbers, in the order of the fields.
    #[must_use]
    pub fn to_fields(self) -> [u64; Self::FIELDS] {
        let Self { requests, unanswered, refused, cpu_us, bytes_in, bytes_out, runs, rows, busy_us } = self;
        [requests, unanswered, refused, cpu_us, bytes_in, bytes_out, runs, rows, busy_us]
    }

    /// The same, back.
    #[must_use]
    pub fn from_fields(fields: [u64; Self::FIELDS]) -> Self {
        let [requests, unanswered, refused, cpu_us, bytes_in, bytes_out, runs, rows, busy_us] = fields;
        Self { requests, unanswered, refused, cpu_us, bytes_in, bytes_out, runs, rows, busy_us }
    }

    /// Whether nothing was used.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What came since these numbers, which only grow, were `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.zip(earlier, u64::saturating_sub)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    fn zip(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let mut fields = self.to_fields();
        for (field, other) in fields.iter_mut().zip(other.to_fields()) {
            *field = of(*field, other);
        }
        Self::from_fields(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_came_since_and_what_was_before_are_all(before: [u32; 9], more: [u32; 9]) {
            let counts = |fields: [u32; 9]| UsageCounts::from_fields(fields.map(u64::from));
            let (before, more) = (counts(before), counts(more));
            let now = before.plus(more);
            prop_assert_eq!(now.since(before), more);
            prop_assert_eq!(UsageCounts::from_fields(now.to_fields()), now);
        }
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in [UsedKind::Function, UsedKind::Model] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("tenant".parse::<UsedKind>().is_err());
    }
}
