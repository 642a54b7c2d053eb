//! What a card's values may be: the rules that hold for TOML and for JSON.

use super::{CardBatch, CardRun, ModelCard};
use std::time::Duration;

/// The longest text: a page and a half. A card is listed with its model, so it stays short.
const TEXT_BYTES_MAX: usize = 4096;
/// Tags, metrics, preferred sizes, padded inputs: more than anyone needs, and a bound.
const COUNT_MAX: usize = 64;
/// The longest tag, or name of a metric or an input.
const NAME_BYTES_MAX: usize = 256;
/// The most rows in one run, as in a function's `[batch]`.
const ROWS_MAX: u32 = 4096;
/// The most sessions of a model, and threads of a run: beyond any machine's cores.
const THREADS_MAX: u32 = 1024;
/// The longest run: whoever waits has gone long before.
const RUN_MAX: Duration = Duration::from_secs(3600);
/// Tensors have at most so many dimensions.
const RANK_MAX: u32 = 64;

/// Told of each fault: the key's path, and the message.
type Report<'r> = &'r mut dyn FnMut(&str, String);

pub(super) fn check(card: &ModelCard, report: Report<'_>) {
    for (path, text) in [("description", &card.description), ("licence", &card.licence), ("source", &card.source)] {
        if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            report(path, format!("a text has at most {TEXT_BYTES_MAX} bytes; keep the rest beside the model"));
        }
    }
    count("tags", card.tags.len(), report);
    for (index, tag) in card.tags.iter().enumerate() {
        name(&format!("tags[{index}]"), tag, report);
    }
    count("metrics", card.metrics.len(), report);
    for (key, value) in &card.metrics {
        name(&format!("metrics.{key}"), key, report);
        if !value.is_finite() {
            report(&format!("metrics.{key}"), "a metric is a finite number".to_owned());
        }
    }
    batch(&card.batch, report);
    run(&card.run, report);
}

fn batch(batch: &CardBatch, report: Report<'_>) {
    count("batch.preferred", batch.preferred.len(), report);
    if batch.preferred.iter().any(|rows| *rows == 0 || *rows > ROWS_MAX) {
        report("batch.preferred", format!("a batch has 1 to {ROWS_MAX} rows"));
    }
    if !batch.preferred.is_sorted_by(|a, b| a < b) {
        report("batch.preferred", "write the sizes rising, each once".to_owned());
    }
    count("batch.pad", batch.pad.len(), report);
    for (input, rule) in &batch.pad {
        let path = format!("batch.pad.{input}");
        name(&path, input, report);
        if rule.dim == 0 || rule.dim >= RANK_MAX {
            let fix = format!("write 1 to {}; dimension 0 is the batch itself", RANK_MAX - 1);
            report(&format!("{path}.dim"), fix);
        }
        if !rule.value.is_finite() {
            report(&format!("{path}.value"), "a filling is a finite number".to_owned());
        }
    }
}

fn run(run: &CardRun, report: Report<'_>) {
    match run.limit {
        Some(Duration::ZERO) => report("run.limit", "with 0 the model could never answer".to_owned()),
        Some(limit) if limit > RUN_MAX => report("run.limit", "at most 60m".to_owned()),
        _ => {}
    }
    for (path, number) in [("run.sessions", run.sessions), ("run.threads", run.threads)] {
        if number.is_some_and(|number| number == 0 || number > THREADS_MAX) {
            report(path, format!("write 1 to {THREADS_MAX}"));
        }
    }
}

fn count(path: &str, count: usize, report: Report<'_>) {
    if count > COUNT_MAX {
        report(path, format!("at most {COUNT_MAX} entries"));
    }
}

fn name(path: &str, name: &str, report: Report<'_>) {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        report(path, format!("a name has 1 to {NAME_BYTES_MAX} bytes"));
    }
}
