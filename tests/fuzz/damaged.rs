//! Seeds, damaged at random: a thousand of what `cargo fuzz` tries without end, in every run of the tests.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What decoders are known to stumble over, as eight bytes.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 0xffff_ffff, 1 << 63, u64::MAX >> 1, u64::MAX];

/// One of a target's seeds with some damage; now and then nothing like any.
pub(crate) fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let seeds = seeds(target);
    let edit = (any::<Index>(), any::<Index>(), any::<u8>(), 0..8_u8);
    let seeded = (any::<Index>(), any::<Index>(), vec(edit, 0..12)).prop_map(move |(seed, other, edits)| {
        let (mut bytes, other) = (seed.get(&seeds).clone(), other.get(&seeds));
        for (from, to, byte, how) in edits {
            change(&mut bytes, other, (from, to), byte, how);
        }
        bytes
    });
    prop_oneof![8 => seeded, 1 => vec(any::<u8>(), 0..256)]
}

fn change(bytes: &mut Vec<u8>, other: &[u8], (from, to): (Index, Index), byte: u8, how: u8) {
    let place = |index: Index, len: usize| index.index(len + 1);
    let at = place(from, bytes.len());
    match how {
        0 => bytes.insert(at, byte),
        1 => bytes.truncate(at),
        2 => bytes.extend_from_slice(&other[place(to, other.len())..]),
        3 => bytes.splice(at..at, NUMBERS[usize::from(byte) % NUMBERS.len()].to_le_bytes()).for_each(drop),
        4 => bytes.splice(at..at, bytes[at.min(place(to, bytes.len()))..at].to_vec()).for_each(drop),
        5 if at < bytes.len() => drop(bytes.remove(at)),
        6 if at < bytes.len() => bytes[at] ^= 1 << (byte & 7),
        _ if at < bytes.len() => bytes[at] = byte,
        _ => {}
    }
}

/// The files of `tests/fuzz/seeds/TARGET`, of which each crate's tests are equally far.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3, "make_seeds.py makes more than {files:?}");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}
