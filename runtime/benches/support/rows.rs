//! The rows on stdout, as `cargo xtask bench` promises them:
//! `row<TAB>name<TAB>ours<TAB>baseline<TAB>ratio<TAB>bar<TAB>holds|below`, and last `rows N holds H below B`.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Context;

/// What was measured, or why it could not be: one failure may be the reason of many rows.
pub(crate) type Figures<T> = Result<T, String>;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// The ratio of ours to the baseline is at least this.
    RatioFrom(f64),
    /// The ratio of ours to the baseline is at most this.
    RatioTo(f64),
    /// Ours is at most this many microseconds.
    MicrosecondsTo(f64),
    /// Ours is just this.
    Exactly(f64),
    /// Ours is more than this.
    Over(f64),
    /// Ours is at most this, in the unit that is named.
    To(f64, &'static str),
    /// There is nothing to reach: the figure is printed.
    None,
}

/// Prints rows and counts them.
#[derive(Default)]
pub(crate) struct Rows {
    holds: u32,
    below: u32,
}

impl Bar {
    fn holds(self, ours: f64, ratio: f64) -> bool {
        match self {
            Self::RatioFrom(least) => ratio >= least,
            Self::RatioTo(most) => ratio <= most,
            Self::MicrosecondsTo(most) => ours <= most,
            // Counters that requests in flight move are read one after the other.
            Self::Exactly(wanted) => (ours - wanted).abs() < 0.005,
            Self::Over(least) => ours > least,
            Self::To(most, _) => ours <= most,
            Self::None => true,
        }
    }
}

impl Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RatioFrom(least) => write!(f, ">={least:.2}"),
            Self::RatioTo(most) => write!(f, "<={most:.2}"),
            Self::MicrosecondsTo(most) => write!(f, "<={most:.0}us"),
            Self::Exactly(wanted) => write!(f, "=={wanted:.0}"),
            Self::Over(least) => write!(f, ">{least:.0}"),
            Self::To(most, unit) => write!(f, "<={most:.0}{unit}"),
            Self::None => write!(f, "-"),
        }
    }
}

impl Rows {
    /// One figure: ours, the baseline's and their ratio. `unit` is written after the first two.
    pub(crate) fn add(&mut self, name: &str, unit: &str, figures: Figures<[f64; 3]>, bar: Bar) {
        let (text, holds) = match figures {
            Ok([ours, baseline, ratio]) => {
                (format!("{ours:.1}{unit}\t{baseline:.1}{unit}\t{ratio:.2}"), bar.holds(ours, ratio))
            }
            Err(why) => (refused(&why), false),
        };
        self.print(name, &text, bar, holds);
    }

    fn print(&mut self, name: &str, text: &str, bar: Bar, holds: bool) {
        let verdict = if holds { "holds" } else { "below" };
        *(if holds { &mut self.holds } else { &mut self.below }) += 1;
        println!("row\t{name}\t{text}\t{bar}\t{verdict}");
    }

    /// A figure that is counted, not timed: there is nothing to hold it against but the bar.
    pub(crate) fn count(&mut self, name: &str, counted: Figures<f64>, bar: Bar) {
        let (text, holds) = match counted {
            Ok(ours) => (format!("{ours:.2}\t-\t-"), bar.holds(ours, f64::NAN)),
            Err(why) => (refused(&why), false),
        };
        self.print(name, &text, bar, holds);
    }

    /// Says how many there were.
    pub(crate) fn finish(self) {
        let (holds, below) = (self.holds, self.below);
        println!("rows {} holds {holds} below {below}", holds + below);
    }
}

/// The three columns of a row that could not run.
fn refused(why: &str) -> String {
    format!("{}\t-\t-", why.replace(['\t', '\n', '\r'], " "))
}

/// The reason that a row gives.
pub(crate) fn why(error: anyhow::Error) -> String {
    format!("{error:#}")
}

/// The middle one; of an even number the upper of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What `share` of these stay within.
///
/// # Errors
/// When there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> anyhow::Result<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().context("nothing was measured")
}

/// A time as rows tell it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
