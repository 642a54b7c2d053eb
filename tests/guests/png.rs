//! Decodes a picture: the body is a PNG of 8 bits per channel, grey, RGB or RGBA, not interlaced. Answers
//! `{"width", "height", "channels", "hash"}`; the hash is FNV-1a of 32 bits over all channels, row by row. With `n` it is decoded so
//! often. What is no such picture is answered by 400.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::inflate::inflate;
use modelet_test_guests::number;
use serde_json::json;

handler!(decode);

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Of all pixels together: 4,096 by 4,096 in RGBA.
const BYTES_MAX: usize = 64 << 20;

struct Picture {
    width: u32,
    height: u32,
    channels: u32,
    pixels: Vec<u8>,
}

fn decode(request: Request) -> Result<Response, Error> {
    let times = number(&request, "n", 1)?.max(1);
    let file = request.bytes()?;
    let mut picture = None;
    for _ in 0..times {
        picture = Picture::of(std::hint::black_box(file));
    }
    let Some(Picture { width, height, channels, pixels }) = picture else {
        return Err(Error::bad_request("the body is no PNG of 8 bits per channel, grey, RGB or RGBA, not interlaced"));
    };
    Response::json(&json!({ "width": width, "height": height, "channels": channels, "hash": hash(&pixels) }))
}

impl Picture {
    fn of(file: &[u8]) -> Option<Self> {
        let mut rest = file.strip_prefix(SIGNATURE)?;
        let (mut head, mut packed) = (None, Vec::new());
        loop {
            let (kind, data, after) = chunk(rest)?;
            match kind {
                b"IHDR" => head = Some(*data.first_chunk::<13>()?),
                b"IDAT" => packed.extend_from_slice(data),
                b"IEND" => break,
                _ => {}
            }
            rest = after;
        }
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, color, method, filter, interlace] = head?;
        let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        let channels = match (depth, color, method, filter, interlace) {
            (8, 0, 0, 0, 0) => 1,
            (8, 2, 0, 0, 0) => 3,
            (8, 6, 0, 0, 0) => 4,
            _ => return None,
        };
        let row = width.checked_mul(channels).filter(|row| *row > 0)? as usize;
        let bytes = (row + 1).checked_mul(height as usize).filter(|bytes| *bytes <= BYTES_MAX)?;
        let lines = inflate(&packed, bytes).filter(|lines| lines.len() == bytes)?;
        Some(Self { width, height, channels, pixels: unfilter(&lines, row, channels as usize)? })
    }
}

/// Kind, data and what follows. The sum over a chunk is not compared: the packed data has one of its own.
fn chunk(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = rest.split_at_checked(4)?;
    let (kind, rest) = rest.split_at_checked(4)?;
    let (data, rest) = rest.split_at_checked(u32::from_be_bytes(length.try_into().ok()?) as usize)?;
    Some((kind, data, rest.get(4..)?))
}

/// Each byte was written as its difference from a guess made of its neighbours.
fn unfilter(lines: &[u8], row: usize, channels: usize) -> Option<Vec<u8>> {
    let mut pixels = Vec::with_capacity(lines.len());
    let mut above = vec![0; row];
    for line in lines.chunks_exact(row + 1) {
        let (kind, line) = line.split_first()?;
        let mut here = Vec::with_capacity(row);
        for (at, (byte, up)) in line.iter().zip(&above).enumerate() {
            let before = |line: &[u8]| Some(*line.get(at.checked_sub(channels)?)?);
            let (left, corner) = (before(&here).unwrap_or(0), before(&above).unwrap_or(0));
            let guess = match kind {
                0 => 0,
                1 => left,
                2 => *up,
                3 => left.midpoint(*up),
                4 => paeth(left, *up, corner),
                _ => return None,
            };
            here.push(byte.wrapping_add(guess));
        }
        pixels.extend_from_slice(&here);
        above = here;
    }
    Some(pixels)
}

/// The neighbour that is nearest to left + up - corner.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let near = i16::from(left) + i16::from(up) - i16::from(corner);
    let off = |neighbour: u8| (near - i16::from(neighbour)).abs();
    if off(left) <= off(up) && off(left) <= off(corner) {
        left
    } else if off(up) <= off(corner) {
        up
    } else {
        corner
    }
}

fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
