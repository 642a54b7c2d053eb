//! `card.toml` as its author meets it: what is read, and how faults are told.

use modelet_spec::ModelCard;
use modelet_spec::card::{Dim0, PadRule};
use proptest::prelude::*;
use std::time::Duration;

const FULL: &str = r#"
description = "Says what a file is"
licence = "Apache-2.0"
source = "https://example.com/magika"
tags = ["files", "bytes"]
record = false
[metrics]
accuracy = 0.97
size = 3
[batch]
allow_row_mixing = true
preferred = [1, 8, 16]
dim0 = "batch"
[batch.pad]
input_ids = { dim = 1, value = 0 }
"mask:0" = { dim = 1 }
[run]
limit = "10s"
sessions = 2
threads = 1
prepack = false
device = "cuda:0!"
fp16 = true
"#;

fn report(text: &str) -> Vec<String> {
    match ModelCard::parse(text, "card.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_whole_card_is_read() {
    let card = ModelCard::parse(FULL, "card.toml").unwrap();
    assert_eq!(card.licence.as_deref(), Some("Apache-2.0"));
    assert_eq!((card.tags.len(), card.metrics["accuracy"], card.metrics["size"]), (2, 0.97, 3.0));
    assert_eq!(card.record, Some(false));
    assert!(card.batch.allow_row_mixing);
    assert_eq!((card.batch.preferred.as_slice(), card.batch.dim0), (&[1, 8, 16][..], Some(Dim0::Batch)));
    assert_eq!(card.batch.pad["input_ids"], PadRule { dim: 1, value: 0.0 });
    assert_eq!(card.batch.pad["mask:0"], PadRule { dim: 1, value: 0.0 });
    assert_eq!((card.run.limit, card.run.sessions), (Some(Duration::from_secs(10)), Some(2)));
    assert_eq!((card.run.threads, card.run.prepack), (Some(1), Some(false)));
    assert_eq!(card.run.device.unwrap().to_string(), "cuda:0!");
    assert_eq!(card.run.fp16, Some(true));
}

#[test]
fn a_card_survives_json_and_an_empty_one_is_short() {
    let card = ModelCard::parse(FULL, "card.toml").unwrap();
    let json = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<ModelCard>(&json).unwrap(), card);
    assert_eq!(ModelCard::parse("", "card.toml").unwrap(), ModelCard::default());
    assert_eq!(serde_json::to_string(&ModelCard::default()).unwrap(), "{}");
    assert_eq!(serde_json::from_str::<ModelCard>("{}").unwrap(), ModelCard::default());
}

#[test]
fn json_is_held_to_the_same_rules() {
    let cases = [
        (r#"{"licens": "MIT"}"#, "unknown field"),
        (r#"{"batch": {"preferred": [8, 1]}}"#, "batch.preferred: write the sizes rising"),
        (r#"{"batch": {"pad": {"x": {"dim": 0}}}}"#, "batch.pad.x.dim: write 1 to 63"),
        (r#"{"batch": {"pad": {"x": {"dim": 1, "vale": 2}}}}"#, "unknown field"),
        (r#"{"run": {"limit": "0ms"}}"#, "run.limit: with 0"),
        (r#"{"run": {"device": "gpu"}}"#, "is not a device"),
        (r#"{"run": {"sessions": 0}}"#, "run.sessions: write 1 to 1024"),
    ];
    for (json, reason) in cases {
        let message = serde_json::from_str::<ModelCard>(json).unwrap_err().to_string();
        assert!(message.contains(reason), "{json}: {message}");
    }
}

#[test]
fn all_faults_come_at_once_each_with_its_line_and_a_fix() {
    let text = r#"descripton = "x"
licence = 5
tags = ["", 7]
[metrics]
accuracy = "high"
[batch]
allow_row_mixin = true
preferred = [8, 4]
dim0 = "rows"
[batch.pad]
ids = { dim = 0 }
mask = { value = 1 }
other = 1
[run]
limit = 10
sessions = 0
threads = 5000
device = "gpu:0"
[runs]
"#;
    let expected = [
        (1, "unknown key \"descripton\"; did you mean \"description\"?"),
        (2, "licence: expected a string in quotes, found an integer"),
        (3, "tags[0]: a name has 1 to 256 bytes"),
        (3, "tags[1]: expected a string in quotes, found an integer"),
        (5, "metrics.accuracy: expected a number, found a string"),
        (7, "unknown key \"allow_row_mixin\" in batch; did you mean \"allow_row_mixing\"?"),
        (8, "batch.preferred: write the sizes rising, each once"),
        (9, "batch.dim0: \"rows\" is unknown here; write \"batch\" or \"other\""),
        (11, "batch.pad.ids.dim: write a whole number that is at least 1"),
        (12, "batch.pad.mask.dim is missing; write { dim = 1, value = 0 }"),
        (13, "batch.pad.other: expected a rule such as { dim = 1, value = 0 }, found an integer"),
        (15, "run.limit: a duration has a unit; write \"10s\" or \"10ms\""),
        (16, "run.sessions: write a whole number that is at least 1"),
        (17, "run.threads: write 1 to 1024"),
        (18, "run.device: \"gpu:0\" is not a device"),
        (19, "unknown key \"runs\"; did you mean \"run\"?"),
    ];
    let lines = report(text);
    for (line, message) in expected {
        let start = format!("card.toml:{line}: ");
        let found = lines.iter().any(|told| told.starts_with(&start) && told.contains(message));
        assert!(found, "{start}{message}\nis not in\n{}", lines.join("\n"));
    }
    assert_eq!(lines.len(), expected.len(), "{}", lines.join("\n"));
}

#[test]
fn what_is_too_long_or_too_many_is_refused() {
    let long = format!("description = \"{}\"", "x".repeat(5000));
    assert_eq!(
        report(&long),
        ["card.toml:1: description: a text has at most 4096 bytes; keep the rest beside the model"]
    );
    let many = format!("tags = [{}]", "\"x\", ".repeat(65));
    assert_eq!(report(&many), ["card.toml:1: tags: at most 64 entries"]);
}

proptest! {
    #[test]
    fn a_broken_byte_never_panics(at in 0..FULL.len(), with in "[\\[\\]{}\"=\n#0a.]") {
        let mut text = FULL.to_owned();
        text.replace_range(at..=at, &with);
        if let Ok(card) = ModelCard::parse(&text, "f") {
            let json = serde_json::to_string(&card).unwrap();
            prop_assert_eq!(serde_json::from_str::<ModelCard>(&json).unwrap(), card);
        }
    }
}
