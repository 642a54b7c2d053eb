//! `modelet usage [--function F] [--model M] [--since TIME] [--until TIME] [--by hour|day|function|model] [--json|--csv]`.

use clap::Args;
use modelet_control::wire::{UsageBy, UsageReport, UsageRow};
use modelet_spec::{At, FunctionName, Timestamp};

use super::client::{Client, query};
use super::{ServerArgs, output};

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Only this function
    #[arg(long, value_name = "F")]
    function: Option<FunctionName>,
    /// Only this model; OWNER/NAME for one that another tenant has granted
    #[arg(long, value_name = "M", value_parser = model)]
    model: Option<String>,
    /// From when on: 2026-11-01T00:00:00Z, or 10d for ten days ago [default: 30d, and 1d by hours]
    #[arg(long, value_name = "TIME")]
    since: Option<At>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<At>,
    /// How it is added up: hour, day, function or model; by the hour for the last 14 days, by the day for 400
    #[arg(long, value_name = "STEP", default_value = "day", value_parser = by)]
    by: UsageBy,
    /// Print JSON only
    #[arg(long)]
    json: bool,
    /// Print comma-separated values only
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The columns of CSV, in the order of [`cells`].
const COLUMNS: [&str; 15] = [
    "start",
    "tenant",
    "function",
    "version",
    "model",
    "device",
    "requests",
    "failed",
    "refused",
    "cpu_seconds",
    "bytes_in",
    "bytes_out",
    "runs",
    "rows",
    "inference_seconds",
];

pub(crate) fn run(args: &UsageArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    let mut report = page(&client, args, server, None)?;
    if args.csv {
        output::line(&COLUMNS.join(","));
        csv(&report.rows);
    }
    while let Some(next) = report.next.take() {
        let more = page(&client, args, server, Some(next))?;
        report.next = more.next;
        match args.csv {
            // As it comes: a year of many functions is long.
            true => csv(&more.rows),
            false => report.rows.extend(more.rows),
        }
    }
    match (args.csv, args.json) {
        (true, _) => Ok(()),
        (false, true) => output::json(&report),
        (false, false) => {
            print(&report);
            Ok(())
        }
    }
}

fn page(client: &Client, args: &UsageArgs, server: &ServerArgs, after: Option<String>) -> anyhow::Result<UsageReport> {
    let by = serde_json::to_value(args.by)?.as_str().map(str::to_owned);
    client.get(&query(
        "/v1/usage",
        &[
            ("tenant", server.tenant.as_ref().map(ToString::to_string)),
            ("function", args.function.as_ref().map(ToString::to_string)),
            ("model", args.model.clone()),
            ("since", args.since.map(|at| at.to_string())),
            ("until", args.until.map(|at| at.to_string())),
            ("by", by),
            ("after", after),
        ],
    ))
}

fn by(text: &str) -> Result<UsageBy, String> {
    let wrong = |_| format!("{text:?} is not a step; write hour, day, function or model");
    serde_json::from_value(text.into()).map_err(wrong)
}

/// `NAME` or `OWNER/NAME`: what needs no escaping in a query.
fn model(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if text.bytes().all(is_plain) { Ok(text.to_owned()) } else { Err(format!("{text:?} is no model's name")) }
}

fn csv(rows: &[UsageRow]) {
    // No name has a comma or a quote in it.
    rows.iter().for_each(|row| output::line(&cells(row).join(",")));
}

fn cells(row: &UsageRow) -> [String; COLUMNS.len()] {
    let text = |text: Option<&dyn ToString>| text.map(ToString::to_string).unwrap_or_default();
    [
        text(row.start.as_ref().map(|start| start as _)),
        row.tenant.to_string(),
        text(row.function.as_ref().map(|name| name as _)),
        text(row.version.as_ref().map(|version| version as _)),
        text(row.model.as_ref().map(|name| name as _)),
        text(row.device.as_ref().map(|device| device as _)),
        row.requests.to_string(),
        row.failed.to_string(),
        row.refused.to_string(),
        row.cpu_seconds.to_string(),
        row.bytes_in.to_string(),
        row.bytes_out.to_string(),
        row.runs.to_string(),
        row.rows.to_string(),
        row.inference_seconds.to_string(),
    ]
}

fn print(report: &UsageReport) {
    let (functions, models): (Vec<&UsageRow>, Vec<&UsageRow>) =
        report.rows.iter().partition(|row| row.function.is_some());
    if report.rows.is_empty() {
        output::line(&format!("nothing was used since {}", report.since));
    }
    if !functions.is_empty() {
        let head =
            ["START", "TENANT", "FUNCTION", "VERSION", "REQUESTS", "FAILED", "REFUSED", "CPU", "BYTES IN", "BYTES OUT"];
        output::table(&head, &functions.into_iter().map(of_function).collect::<Vec<_>>());
    }
    if !models.is_empty() {
        let head = ["START", "TENANT", "MODEL", "DEVICE", "RUNS", "ROWS", "INFERENCE"];
        output::table(&head, &models.into_iter().map(of_model).collect::<Vec<_>>());
    }
}

fn of_function(row: &UsageRow) -> Vec<String> {
    vec![
        start(row.start),
        row.tenant.to_string(),
        row.function.clone().unwrap_or_default(),
        row.version.map_or_else(|| "all".to_owned(), |version| version.to_string()),
        row.requests.to_string(),
        row.failed.to_string(),
        row.refused.to_string(),
        format!("{:.3} s", row.cpu_seconds),
        output::size(row.bytes_in),
        output::size(row.bytes_out),
    ]
}

fn of_model(row: &UsageRow) -> Vec<String> {
    vec![
        start(row.start),
        row.tenant.to_string(),
        row.model.clone().unwrap_or_default(),
        row.device.clone().unwrap_or_else(|| "all".to_owned()),
        row.runs.to_string(),
        row.rows.to_string(),
        format!("{:.3} s", row.inference_seconds),
    ]
}

fn start(start: Option<Timestamp>) -> String {
    start.map_or_else(|| "all".to_owned(), |start| start.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_models_are_read_and_nothing_else_gets_into_a_query() {
        assert_eq!(by("function"), Ok(UsageBy::Function));
        assert!(by("week").unwrap_err().contains("hour, day"));
        assert!(model("acme/m-1").is_ok() && model("a&tenant=b").is_err() && model("a b").is_err());
    }
}
