//! Archives of `modelet export`, taken apart and put together by hand: a test of what reads tars must not trust what writes them.

use serde_json::Value;

/// A file of an archive.
pub type Entry = (String, Vec<u8>);

/// The files of a tar of ours.
///
/// # Panics
/// When it is none of ours.
#[must_use]
pub fn unpack(tar: &[u8]) -> Vec<Entry> {
    let (mut entries, mut rest) = (Vec::new(), tar);
    while rest.len() >= 512 && rest[0] != 0 {
        let text = |field: &[u8]| String::from_utf8(field.iter().copied().take_while(|b| *b != 0).collect()).unwrap();
        let bytes = usize::from_str_radix(text(&rest[124..136]).trim(), 8).unwrap();
        entries.push((text(&rest[..100]), rest[512..512 + bytes].to_vec()));
        rest = &rest[512 + bytes.div_ceil(512) * 512..];
    }
    entries
}

/// What an archive says that it has: its first file.
///
/// # Panics
/// When it says nothing.
#[must_use]
pub fn manifest(tar: &[u8]) -> Value {
    serde_json::from_slice(&unpack(tar)[0].1).unwrap()
}

/// A tar of these files.
#[must_use]
pub fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in entries {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000600\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        sum(&mut header);
        tar.extend_from_slice(&header);
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Writes the checksum of a header.
pub fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
