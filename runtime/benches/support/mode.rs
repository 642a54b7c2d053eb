//! How much a bench measures: all of it, or just enough to see that it works.

use super::race::Pace;

/// Whether rows are only tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) is_short: bool,
}

impl Mode {
    /// By a bench's arguments; says on stderr that the figures of a short one mean nothing.
    pub(crate) fn of(arguments: &[String]) -> Self {
        let is_short = arguments.iter().any(|argument| argument == "--short");
        if is_short {
            eprintln!("bench: --short: the figures mean nothing");
        }
        Self { is_short }
    }

    /// How long a race of this pace takes in this mode.
    pub(crate) fn pace(self, pace: Pace) -> Pace {
        if self.is_short { pace.short() } else { pace }
    }

    /// How many there are in this mode.
    pub(crate) fn count(self, count: u32, short: u32) -> u32 {
        if self.is_short { short } else { count }
    }
}
