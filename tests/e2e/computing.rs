//! Guests that compute: what the bench `instances` holds the cost of interruptions against does what it says.

use modelet_tests::{Answer, places, shared};
use serde_json::json;
use std::fs;

/// By the guest itself, which does not know the invocation's id.
#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (400, &"bad-request".into()), "{}", answer.text());
}

#[test]
fn a_tokenizer_splits_words_into_the_pieces_of_its_vocabulary() {
    let host = shared();
    let route = host.guest("tokenize");
    let text = "The quick brown fox jumped, answering Qz: \u{e9}t\u{e9}!";
    let pieces =
        ["the", "quick", "brown", "fox", "jump", "##ed", ",", "answer", "##ing", "q", "##z", ":", "[UNK]", "!"];
    for path in [route.clone(), format!("{route}?n=3")] {
        let answer = host.post(&path, text.as_bytes()).ok().json();
        assert_eq!(answer, json!({ "count": pieces.len(), "pieces": pieces }));
    }
    refused(&host.post(&route, b"\xff"));
}

#[test]
fn a_picture_is_decoded_pixel_by_pixel() {
    let host = shared();
    let route = host.guest("png");
    let file = fs::read(places::repository().join("tests/guests/picture.png")).unwrap();
    let answer = host.post(&format!("{route}?n=2"), &file).ok().json();
    assert_eq!(answer, json!({ "width": 160, "height": 120, "channels": 3, "hash": hash(&pixels()) }));
}

#[test]
fn what_is_no_picture_or_half_of_one_is_refused() {
    let host = shared();
    let route = host.guest("png");
    let file = fs::read(places::repository().join("tests/guests/picture.png")).unwrap();
    let mut damaged = file.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for body in [&[][..], b"no picture", &file[..middle], &damaged] {
        refused(&host.post(&route, body));
    }
}

#[test]
fn a_loop_turns_as_often_as_it_is_told() {
    let host = shared();
    let route = host.guest("tight_loop");
    for turns in [0, 1, 100_000] {
        let answer = host.get(&format!("{route}?turns={turns}")).ok();
        assert_eq!(answer.text(), format!("{}\n", xorshift(turns)));
    }
}

/// The formula that tests/guests/make_picture.py made the picture of.
fn pixels() -> Vec<u8> {
    let pixel =
        |x: u32, y: u32| [3 * x + y, x ^ y, x * y / 16 + (7919 * x + 104_729 * y) % 13].map(|n| (n % 256) as u8);
    (0..120).flat_map(|y| (0..160).flat_map(move |x| pixel(x, y))).collect()
}

fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn xorshift(turns: u32) -> u64 {
    (0..turns).fold(0x9e37_79b9_7f4a_7c15_u64, |mut number, _| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^ (number << 17)
    })
}
