//! A bench in parts: all of them, or those that are named.

use anyhow::{Result, bail};

use super::child;
use super::mode::Mode;
use super::rows::Rows;

/// A name, and what measures and adds the rows.
pub(crate) type Part = (&'static str, fn(Mode, &mut Rows));

/// Measures the parts that the arguments name, or all, in their order.
///
/// # Errors
/// When an argument names none.
pub(crate) fn measure(parts: &[Part], arguments: &[String]) -> Result<()> {
    let mode = Mode::of(arguments);
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| parts.iter().all(|(part, _)| part != *name)) {
        bail!("there is no `{unknown}` among {:?}", parts.iter().map(|(part, _)| part).collect::<Vec<_>>());
    }
    child::pin_self();
    let mut rows = Rows::default();
    for (part, measure) in parts {
        if named.is_empty() || named.contains(part) {
            measure(mode, &mut rows);
        }
    }
    rows.finish();
    Ok(())
}
