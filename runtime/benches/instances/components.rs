//! Components that do the same and are not the same: each has a section of its own at the end, which nobody reads.

use anyhow::Result;

use crate::support::places;

/// The section's name.
const NAME: &[u8] = b"number";

/// A test guest as a component whose digest no other number has.
///
/// # Errors
/// When the guest is not built.
pub(crate) fn numbered(guest: &str, number: u32) -> Result<Vec<u8>> {
    let mut component = std::fs::read(places::guest(guest)?)?;
    component.extend(section(number));
    Ok(component)
}

/// A custom section (0): its length, its name after the name's length, its data. Lengths below 128 are one byte in LEB128.
fn section(number: u32) -> Vec<u8> {
    let data = number.to_le_bytes();
    let length = (1 + NAME.len() + data.len()) as u8;
    [&[0, length, NAME.len() as u8], NAME, &data].concat()
}
