//! From the TOML tree to a [`ModelCard`]: kinds of values and unknown keys. What the values mean is checked after.

use super::{CardBatch, CardRun, Dim0, ModelCard, PadRule};
use crate::document::{Section, Value};
use std::collections::BTreeMap;

pub(super) fn card(mut root: Section<'_, '_>) -> ModelCard {
    let card = ModelCard {
        description: root.text("description"),
        licence: root.text("licence"),
        source: root.text("source"),
        tags: root.value("tags").map(|value| value.texts()).unwrap_or_default(),
        record: root.value("record").and_then(|value| value.flag()),
        metrics: root.section("metrics").map(metrics).unwrap_or_default(),
        batch: root.section("batch").map(batch).unwrap_or_default(),
        run: root.section("run").map(run).unwrap_or_default(),
    };
    root.finish();
    card
}

fn metrics(section: Section<'_, '_>) -> BTreeMap<String, f64> {
    let entries = section.entries().into_iter();
    entries.filter_map(|(key, value)| Some((key.to_owned(), value.float()?))).collect()
}

fn batch(mut section: Section<'_, '_>) -> CardBatch {
    let dim0 = [("batch", Dim0::Batch), ("other", Dim0::Other)];
    let preferred = section.value("preferred").map(|value| value.list()).unwrap_or_default();
    let batch = CardBatch {
        allow_row_mixing: section.value("allow_row_mixing").and_then(|value| value.flag()).unwrap_or_default(),
        preferred: preferred.iter().filter_map(|value| value.number(1)).collect(),
        dim0: section.value("dim0").and_then(|value| value.one_of(&dim0)),
        pad: section.section("pad").map(pad).unwrap_or_default(),
    };
    section.finish();
    batch
}

fn pad(section: Section<'_, '_>) -> BTreeMap<String, PadRule> {
    let entries = section.entries().into_iter();
    entries.filter_map(|(input, value)| Some((input.to_owned(), pad_rule(&value)?))).collect()
}

fn pad_rule(value: &Value<'_, '_>) -> Option<PadRule> {
    let mut section = value.section_or("a rule such as { dim = 1, value = 0 }")?;
    let dim = section.required("dim", "{ dim = 1, value = 0 }").and_then(|value| value.number(1));
    let value = section.value("value").map(|value| value.float());
    section.finish();
    Some(PadRule { dim: dim?, value: value.unwrap_or(Some(0.0))? })
}

fn run(mut section: Section<'_, '_>) -> CardRun {
    let run = CardRun {
        limit: section.value("limit").and_then(|value| value.span()),
        sessions: section.value("sessions").and_then(|value| value.number(1)),
        threads: section.value("threads").and_then(|value| value.number(1)),
        prepack: section.value("prepack").and_then(|value| value.flag()),
        device: section.text("device"),
        fp16: section.value("fp16").and_then(|value| value.flag()),
    };
    section.finish();
    run
}
