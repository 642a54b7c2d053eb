//! `modelet traffic FUNCTION [VERSION=PERCENT…] [--sticky HEADER] [--shadow VERSION] [--off]`.

use anyhow::bail;
use clap::Args;
use modelet_control::wire::{ShadowReport, Traffic, TrafficPart, TrafficReport};
use modelet_spec::{FunctionName, Version};

use super::client::Client;
use super::function::with_tenant;
use super::{ServerArgs, output};

#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    /// The function
    function: FunctionName,
    /// What each version gets, in percent, 100 together; with 0 it is only reached by name. Shows what holds when left out
    #[arg(value_name = "VERSION=PERCENT", value_parser = part)]
    parts: Vec<TrafficPart>,
    /// Who sends the same value of this header meets the same version; `modelet-caller`: the caller's key
    #[arg(long, value_name = "HEADER", requires = "parts")]
    sticky: Option<String>,
    /// The version that gets a copy of each request; its answers are compared and thrown away
    #[arg(long, value_name = "VERSION", requires = "parts")]
    shadow: Option<Version>,
    /// Give all requests to the live version; the next deploy goes live again
    #[arg(long, conflicts_with = "parts")]
    off: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &TrafficArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    let path = with_tenant(&format!("/v1/functions/{}/traffic", args.function), server);
    let report: TrafficReport = if args.off {
        client.delete(&path)?
    } else if args.parts.is_empty() {
        client.get(&path)?
    } else {
        let sticky = args.sticky.as_ref().map(|header| header.to_lowercase());
        client.put_json(&path, &Traffic { parts: args.parts.clone(), sticky, shadow: args.shadow })?
    };
    if args.json {
        return output::json(&report);
    }
    print(&report);
    Ok(())
}

/// `2=10`, or `2=10%`.
fn part(text: &str) -> anyhow::Result<TrafficPart> {
    let Some((version, percent)) = text.split_once('=') else {
        bail!("write VERSION=PERCENT, such as 2=10");
    };
    let percent = percent.strip_suffix('%').unwrap_or(percent);
    match percent.parse() {
        Ok(percent @ 0..=100) => Ok(TrafficPart { version: version.parse()?, percent }),
        _ => bail!("{percent:?} is no percentage: write a whole number from 0 to 100"),
    }
}

fn print(report: &TrafficReport) {
    let TrafficReport { name, live, .. } = report;
    match &report.traffic {
        None => output::line(&format!("{name} version {live} has all requests, and the next deploy goes live")),
        Some(traffic) => {
            for part in &traffic.parts {
                let is_live = if part.version == *live { "  live: the routes are its" } else { "" };
                output::line(&format!("{name} version {:<4} {:>3} %{is_live}", part.version, part.percent));
            }
            traffic.sticky.iter().for_each(|header| output::line(&format!("sticky by {header}")));
            output::line("a deploy gets 0 % until it is given more");
        }
    }
    report.shadow.iter().for_each(print_shadow);
    report.notes.iter().for_each(|note| output::line(&format!("note: {note}")));
}

fn print_shadow(shadow: &ShadowReport) {
    let count = |names: &[&str]| names.iter().filter_map(|name| shadow.verdicts.get(*name)).sum::<u64>();
    let why = ["busy", "large", "unfinished"].into_iter().filter(|name| count(&[name]) > 0);
    let why: Vec<String> = why.map(|name| format!("{} {name}", count(&[name]))).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    output::line(&format!(
        "shadow version {}: {} alike; {} with another status, {} with another body, {} not answered; {} not compared{why}",
        shadow.version,
        count(&["same"]),
        count(&["status"]),
        count(&["body"]),
        count(&["failed"]),
        count(&["busy", "large", "unfinished"]),
    ));
    for differs in &shadow.recent {
        let (verdict, status, got) = (&differs.verdict, &differs.status, &differs.shadow);
        output::line(&format!("  {}  {verdict}: {status}, shadow {got}", differs.invocation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_version_and_a_percentage() {
        for text in ["2=10", "2=10%"] {
            let part = part(text).unwrap();
            assert_eq!((part.version.get(), part.percent), (2, 10));
        }
        for text in ["2", "2=", "2=101", "2=-1", "x=1", "0=100", "2=1.5"] {
            assert!(part(text).is_err(), "{text}");
        }
    }
}
