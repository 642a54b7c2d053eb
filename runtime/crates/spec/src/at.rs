//! Which moment of the past is meant.

use crate::error::TimestampError;
use crate::span;
use crate::text_serde::text_serde;
use crate::timestamp::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A moment of the past: `2026-11-28T17:40:00Z`, or so long ago: `90s`, `10m`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A time of the clock.
    Time(Timestamp),
    /// Before now.
    Ago(Duration),
}

impl At {
    /// The moment, for who knows what time it is now.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Ago(span) => {
                Timestamp::from_ms(now.ms().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
            }
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Ago(span) => f.write_str(&span::format(*span)),
        }
    }
}

impl FromStr for At {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        match span::parse(text) {
            Ok(span) => Ok(Self::Ago(span)),
            Err(_) => text.parse().map(Self::Time),
        }
    }
}

text_serde!(At);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        let now = Timestamp::from_ms(1_000_000);
        assert_eq!("10m".parse::<At>().unwrap().from(now).ms(), 400_000);
        assert_eq!("1d".parse::<At>().unwrap().from(now).ms(), 0);
        assert_eq!("1970-01-01T00:00:07Z".parse::<At>().unwrap().from(now).ms(), 7000);
        for text in ["10m", "1970-01-01T00:00:07Z"] {
            assert_eq!(text.parse::<At>().unwrap().to_string(), text);
        }
        for text in ["", "yesterday", "-10m", "10"] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}
