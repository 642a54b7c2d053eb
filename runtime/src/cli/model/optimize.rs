//! `modelet model optimize NAME --int8|--fp16`, and how a version tells of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use modelet_control::wire::optimise::{Activations, Compared, Optimise, Optimised, OutputDrift, Precision, Weight};
use modelet_control::wire::{Model, ModelVersions};
use modelet_spec::{Label, ModelRef};

use crate::cli::ServerArgs;
use crate::cli::client::Client;
use crate::cli::function::with_tenant;
use crate::cli::output;

/// Reasons for weights to stay that a person is told of; JSON has more.
const SHOWN_MAX: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct OptimizeArgs {
    /// The model
    #[arg(value_name = "NAME[@VERSION|@LABEL]")]
    model: ModelRef,
    /// Weights as 8-bit integers: a quarter of the size, quicker
    #[arg(long, conflicts_with = "fp16")]
    int8: bool,
    /// Weights as 16-bit floats: half the file; as quick as before on a CPU
    #[arg(long)]
    fp16: bool,
    /// How the other side of products is made of integers
    #[arg(
        long,
        value_name = "rows|tensor",
        requires = "int8",
        hide_possible_values = true,
        help = "How the other side of products is made of integers: a scale per row (callers can be joined), or one for all [default: rows]"
    )]
    activations: Option<ActivationsArg>,
    /// A node to leave as it is, by its name or its output's
    #[arg(long = "keep", value_name = "NODE")]
    keep: Vec<String>,
    /// A label for the new version
    #[arg(long, value_name = "L")]
    label: Option<Label>,
    /// A request to compare the answers on
    #[arg(
        long = "samples",
        value_name = "FILE.json",
        help = "A request to compare the answers on, as Open Inference v2 writes it [default: the version's samples, else made-up ones]"
    )]
    samples: Vec<PathBuf>,
    /// The cosine to the old answers that every row must reach [default: 0.98]
    #[arg(long, value_name = "COSINE")]
    min_cosine: Option<f64>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ActivationsArg {
    Rows,
    Tensor,
}

pub(super) fn run(client: &Client, args: &OptimizeArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let (name, _) = super::own(&args.model)?;
    let path = format!("/v1/models/{name}");
    let Some(precision) = args.precision() else {
        let _: ModelVersions = client.get(&with_tenant(&path, server))?;
        output::line(&format!(
            "{}: nothing to do. Each push has ONNX Runtime's graph optimisation already, in the form that is loaded; \
             --int8 or --fp16 make a smaller version",
            args.model
        ));
        return Ok(());
    };
    let wish = Optimise {
        precision,
        activations: args.activations.map_or(Activations::default(), ActivationsArg::wire),
        version: Some(args.model.pick.to_string()),
        keep: args.keep.clone(),
        label: args.label.clone(),
        samples: args.samples.iter().map(|file| sample(file)).collect::<anyhow::Result<_>>()?,
        min_cosine: args.min_cosine,
    };
    output::step(&format!("rewriting {}, comparing its answers, and trying the new version", args.model));
    let model: Model = client.post(&with_tenant(&format!("{path}/optimize"), server), &wish)?;
    if args.json {
        return output::json(&model);
    }
    let what = if model.created == Some(false) { "was here already" } else { "is new" };
    output::line(&format!("{} version {} {what}  {}", model.name, model.version, model.digest));
    if let Some(optimised) = &model.optimised {
        print(optimised);
    }
    Ok(())
}

fn sample(file: &Path) -> anyhow::Result<serde_json::Value> {
    let text = std::fs::read(file).map_err(|e| anyhow!("{} cannot be read: {e}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// How a version was made of another.
pub(super) fn print(optimised: &Optimised) {
    let precision = match (optimised.precision, optimised.activations) {
        (Precision::Fp16, _) => "16-bit floats",
        (Precision::Int8, Some(Activations::Tensor)) => "8-bit integers, one scale for all rows",
        (Precision::Int8, _) => "8-bit integers, a scale for each row",
    };
    let (before, after) = (output::size(optimised.bytes_before), output::size(optimised.bytes_after));
    output::line(&format!("made of version {}: {before} → {after}, {precision}", optimised.from));
    let on = match optimised.compared {
        Compared::Given => "given samples",
        Compared::Samples => "the version's samples",
        Compared::MadeUp => "made-up inputs",
    };
    output::line(&format!("compared on {} calls: {on}", optimised.calls));
    output::line("");
    let rows: Vec<Vec<String>> = optimised.outputs.iter().map(row).collect();
    output::table(&["OUTPUT", "ROWS", "COSINE MIN", "MEAN", "MAX DIFFERENCE", "SAME"], &rows);
    output::line("");
    output::line(&format!("{} weights are rewritten, {} stay", optimised.rewritten, optimised.kept));
    staying(&optimised.weights).iter().for_each(|line| output::line(line));
    optimised.notes.iter().for_each(|note| output::line(&format!("note: {note}")));
}

fn row(output: &OutputDrift) -> Vec<String> {
    let number = |number: Option<f64>, digits: usize| number.map_or("-".to_owned(), |n| format!("{n:.digits$}"));
    let largest = output.difference_max.map_or("-".to_owned(), |n| format!("{n:.2e}"));
    let same = output.same.zip(output.same_of).map_or("-".to_owned(), |(same, of)| format!("{same} of {of}"));
    let (min, mean) = (number(output.cosine_min, 5), number(output.cosine_mean, 5));
    vec![shown(&output.name), output.rows.to_string(), min, mean, largest, same]
}

/// The weights that stay, those with one reason on one line: what they take, and the largest of them.
fn staying(weights: &[Weight]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&Weight>)> = Vec::new();
    for weight in weights {
        let Some(why) = weight.why.as_deref() else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, with)) => with.push(weight),
            None => reasons.push((why, vec![weight])),
        }
    }
    let line = |(why, with): &(&str, Vec<&Weight>)| {
        let bytes = with.iter().map(|weight| weight.bytes_before).sum();
        let largest = with.first().map_or_else(String::new, |weight| named(weight));
        let of = if with.len() > 1 { format!("{} weights, such as {largest}", with.len()) } else { largest };
        format!("  {of}, {}: {why}", output::size(bytes))
    };
    reasons.iter().take(SHOWN_MAX).map(line).collect()
}

fn named(weight: &Weight) -> String {
    let name = shown(&weight.name);
    if weight.node.is_empty() { name } else { format!("{name} ({} {})", weight.op, shown(&weight.node)) }
}

/// A name out of the file, fit for a terminal.
fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

impl OptimizeArgs {
    fn precision(&self) -> Option<Precision> {
        match (self.int8, self.fp16) {
            (true, _) => Some(Precision::Int8),
            (_, true) => Some(Precision::Fp16),
            _ => None,
        }
    }
}

impl ActivationsArg {
    fn wire(self) -> Activations {
        match self {
            Self::Rows => Activations::Rows,
            Self::Tensor => Activations::Tensor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_stay_are_told_by_their_reason() {
        let weight = |name: &str, why: Option<&str>| Weight {
            name: name.to_owned(),
            op: "Add".to_owned(),
            node: "n\u{1b}".to_owned(),
            bytes_before: 2048,
            bytes_after: 2048,
            why: why.map(str::to_owned),
        };
        let lines =
            staying(&[weight("a", Some("one")), weight("b", None), weight("c", Some("two")), weight("d", Some("one"))]);
        assert_eq!(lines, ["  2 weights, such as a (Add n\\u{1b}), 4.0 KiB: one", "  c (Add n\\u{1b}), 2.0 KiB: two"]);
    }
}
