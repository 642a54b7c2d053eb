//! Unpacks a zlib stream (RFC 1950 and 1951), as a PNG holds it.

/// Most lengths of codes that one block describes.
const LENGTHS_MAX: usize = 320;

/// Where the lengths of the code for lengths stand.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a symbol from 257 on stands for: the least length, and how many bits are added to it.
const LENGTHS: [(u32, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Of the 30 distances, the bits that are added: twice as many distances share a number of bits as the one before.
fn distance(symbol: u16) -> Option<(u32, u32)> {
    let symbol = u32::from(symbol);
    match symbol {
        0..=3 => Some((symbol + 1, 0)),
        4..=29 => {
            let bits = symbol / 2 - 1;
            Some((((2 + symbol % 2) << bits) + 1, bits))
        }
        _ => None,
    }
}

/// The bytes that a stream was made of; `None` if it is no whole stream, or has more than `most` bytes in it.
#[must_use]
pub fn inflate(stream: &[u8], most: usize) -> Option<Vec<u8>> {
    let (head, rest) = stream.split_at_checked(2)?;
    let head = u16::from_be_bytes(head.try_into().ok()?);
    // Deflate, no dictionary that both sides would have to know, and a check of these very bits.
    if (head >> 8) & 15 != 8 || head & 32 != 0 || head % 31 != 0 {
        return None;
    }
    let mut bits = Bits { bytes: rest.iter(), hold: 0, held: 0 };
    let mut out = Out { bytes: Vec::new(), most };
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => coded(&mut bits, &fixed()?, &mut out)?,
            2 => {
                let codes = described(&mut bits)?;
                coded(&mut bits, &codes, &mut out)?;
            }
            _ => return None,
        }
        if is_last {
            break;
        }
    }
    bits.align();
    let sum = bits.bytes.as_slice().first_chunk()?;
    (u32::from_be_bytes(*sum) == adler32(&out.bytes)).then_some(out.bytes)
}

/// The stream's bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    hold: u32,
    held: u32,
}

impl Bits<'_> {
    /// The next bits as a number; at most 13.
    fn take(&mut self, count: u32) -> Option<u32> {
        while self.held < count {
            self.hold |= u32::from(*self.bytes.next()?) << self.held;
            self.held += 8;
        }
        let taken = self.hold & ((1 << count) - 1);
        self.hold >>= count;
        self.held -= count;
        Some(taken)
    }

    /// Leaves the rest of the byte; no whole byte is ever held.
    fn align(&mut self) {
        (self.hold, self.held) = (0, 0);
    }
}

struct Out {
    bytes: Vec<u8>,
    most: usize,
}

impl Out {
    fn push(&mut self, byte: u8) -> Option<()> {
        (self.bytes.len() < self.most).then(|| self.bytes.push(byte))
    }

    /// Once more what came `distance` bytes before, which may reach into what this call writes.
    fn repeat(&mut self, distance: u32, length: u32) -> Option<()> {
        for _ in 0..length {
            let from = self.bytes.len().checked_sub(distance as usize)?;
            self.push(*self.bytes.get(from)?)?;
        }
        Some(())
    }
}

/// A canonical Huffman code: how many symbols have each length, and the symbols in the order of their codes.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; 16];
        let mut symbols = Vec::with_capacity(lengths.len());
        for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            *counts.get_mut(usize::from(*length))? += 1;
            symbols.push((*length, symbol));
        }
        symbols.sort_unstable();
        // More codes of a length than there is room for under the shorter ones: they could not be told apart.
        counts.iter().skip(1).try_fold(1_i32, |left, count| {
            let left = left * 2 - i32::from(*count);
            (left >= 0).then_some(left)
        })?;
        Some(Self { counts, symbols: symbols.into_iter().map(|(_, symbol)| symbol).collect() })
    }

    fn next(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in self.counts.iter().skip(1).map(|count| u32::from(*count)) {
            code |= bits.take(1)?;
            let place = code.checked_sub(first)?;
            if place < count {
                return self.symbols.get((index + place) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// One code for bytes and lengths, one for distances.
type Codes = (Code, Code);

/// Those that every packer knows.
fn fixed() -> Option<Codes> {
    let length = |symbol: u16| match symbol {
        0..=143 => 8,
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    };
    let lengths: Vec<u8> = (0..288).map(length).collect();
    Some((Code::of(&lengths)?, Code::of(&[5; 30])?))
}

/// Those that a block begins with.
fn described(bits: &mut Bits<'_>) -> Option<Codes> {
    let literals = bits.take(5)? as usize + 257;
    let total = literals + bits.take(5)? as usize + 1;
    let mut lengths = [0_u8; ORDER.len()];
    for place in ORDER.iter().take(bits.take(4)? as usize + 4) {
        *lengths.get_mut(*place)? = bits.take(3)? as u8;
    }
    let code = Code::of(&lengths)?;
    let mut all: Vec<u8> = Vec::with_capacity(LENGTHS_MAX);
    while all.len() < total {
        let (length, times) = match code.next(bits)? {
            16 => (*all.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        all.extend((0..times).map(|_| length));
    }
    if all.len() > total {
        return None;
    }
    let (literals, distances) = all.split_at_checked(literals)?;
    Some((Code::of(literals)?, Code::of(distances)?))
}

/// A block of bytes as they are.
fn stored(bits: &mut Bits<'_>, out: &mut Out) -> Option<()> {
    bits.align();
    let (length, check) = (bits.take(8)? | (bits.take(8)? << 8), bits.take(8)? | (bits.take(8)? << 8));
    if length ^ check != 0xffff {
        return None;
    }
    for _ in 0..length {
        out.push(bits.take(8)? as u8)?;
    }
    Some(())
}

/// A block in two codes.
fn coded(bits: &mut Bits<'_>, (literals, distances): &Codes, out: &mut Out) -> Option<()> {
    loop {
        match literals.next(bits)? {
            byte @ 0..=255 => out.push(byte as u8)?,
            256 => return Some(()),
            symbol => {
                let (base, extra) = *LENGTHS.get(usize::from(symbol - 257))?;
                let length = base + bits.take(extra)?;
                let (base, extra) = distance(distances.next(bits)?)?;
                out.repeat(base + bits.take(extra)?, length)?;
            }
        }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    // So many fit before the sums must be brought back.
    for piece in bytes.chunks(5552) {
        for byte in piece {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    (high << 16) | low
}
