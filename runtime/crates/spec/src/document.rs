//! Reading a TOML file so that all its faults come in one report, each with its line.
//!
//! Serde stops at the first fault and cannot name the nearest known key, so this reads the tree by hand: a [`Section`]
//! knows which keys it was asked for, and whatever else the file has is a fault. A value that cannot be read becomes a
//! fault and `None`; the reader goes on with a stand-in and throws the result away in the end.

mod fault;
mod section;
mod value;

pub use fault::{Fault, Faults};
pub use section::Section;
pub use value::Value;

pub(crate) use fault::write_report;

use toml::Spanned;
use toml::de::DeTable;

/// A parsed TOML file.
#[derive(Debug)]
pub struct Document<'i> {
    root: Spanned<DeTable<'i>>,
}

impl<'i> Document<'i> {
    /// Parses `text`. Faults of the syntax go to `faults`; what could be read is kept so that the rest is checked too.
    pub fn parse(text: &'i str, faults: &Faults) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            faults.add_syntax(error.span().map_or(0, |span| span.start), error.message());
        }
        Self { root }
    }

    /// The top of the file.
    #[must_use]
    pub fn root<'a>(&'a self, faults: &'a Faults) -> Section<'a, 'i> {
        Section::new(self.root.get_ref(), String::new(), 0, faults)
    }
}
