//! A picture of text: the server in a few lines, then the functions, then the models.

use super::super::output::size;
use super::snapshot::{Function, Model, Server, Snapshot};

/// Rows that are no function's on a terminal that is too small: what the server's lines and a head need.
const ROWS_MIN: usize = 8;

/// All lines.
pub(crate) fn lines(snapshot: &Snapshot, url: &str) -> Vec<String> {
    let mut lines = server(&snapshot.server, url);
    lines.push(String::new());
    if snapshot.functions.is_empty() {
        lines.push("no function is in memory, and none was called since the server started".to_owned());
    } else {
        let head = ["FUNCTION", "VERSION", "REQ/S", "P50", "P99", "ERR/S", "BUSY", "IDLE"];
        lines.extend(table(&head, snapshot.functions.iter().map(function)));
    }
    if !snapshot.models.is_empty() {
        lines.push(String::new());
        let head = ["MODEL", "DEVICE", "CALLS/S", "WAITING", "SESSIONS", "RESIDENT"];
        lines.extend(table(&head, snapshot.models.iter().map(model)));
    }
    lines
}

/// What of the lines fits into so many columns and rows; the last row is `note`, with how many are left out.
pub(crate) fn fitted(lines: &[String], note: &str, (columns, rows): (usize, usize)) -> Vec<String> {
    let room = rows.max(ROWS_MIN) - 1;
    let left_out = lines.len().saturating_sub(room);
    let note = if left_out == 0 { note.to_owned() } else { format!("{left_out} more lines; {note}") };
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    let mut fitted: Vec<String> = lines.iter().take(room).map(cut).collect();
    fitted.push(cut(&note));
    fitted
}

fn server(server: &Server, url: &str) -> Vec<String> {
    let up = server.uptime_seconds.map(|seconds| format!(", up {}", span(seconds))).unwrap_or_default();
    let cores = server.cores.map(|cores| format!("; {cores:.2} cores")).unwrap_or_default();
    let requests = &server.requests;
    let (levels, cold) = (&server.levels, &server.cold_starts_per_second);
    let bytes = |bytes: f64| size(bytes as u64);
    let resident = server.resident_bytes.map(|resident| format!("{} resident; ", bytes(resident))).unwrap_or_default();
    let models = match (server.models_bytes, server.models_bytes_max) {
        (Some(used), Some(max)) => format!("; models {} of {}", bytes(used), bytes(max)),
        _ => String::new(),
    };
    vec![
        format!("server     {url}{up}{cores}"),
        format!(
            "requests   {:.1}/s; errors {:.1}/s; turned away {:.1}/s; p50 {}, p99 {}",
            requests.requests_per_second,
            requests.errors_per_second,
            server.rejected_per_second,
            ms(requests.p50_ms),
            ms(requests.p99_ms)
        ),
        format!(
            "functions  {:.0} on disk, {:.0} with their component in memory, {:.0} warm, {:.0} busy",
            levels.disk, levels.component, levels.warm, levels.busy
        ),
        format!(
            "instances  {:.0} busy, {:.0} idle; cold starts: component {:.1}/s, instance {:.1}/s, model {:.1}/s",
            server.instances_busy, server.instances_idle, cold.component, cold.instance, cold.model
        ),
        format!(
            "memory     {resident}components and instances {} of {}{models}",
            bytes(server.warm_bytes),
            bytes(server.warm_bytes_max)
        ),
    ]
}

fn function(function: &Function) -> Vec<String> {
    let requests = &function.requests;
    vec![
        function.function.clone(),
        if function.version.is_empty() { "-".to_owned() } else { function.version.clone() },
        format!("{:.1}", requests.requests_per_second),
        ms(requests.p50_ms),
        ms(requests.p99_ms),
        format!("{:.1}", requests.errors_per_second),
        format!("{:.0}", function.busy),
        format!("{:.0}", function.idle),
    ]
}

fn model(model: &Model) -> Vec<String> {
    vec![
        model.model.clone(),
        if model.devices.is_empty() { "-".to_owned() } else { model.devices.join(" ") },
        format!("{:.1}", model.calls_per_second),
        format!("{:.0}", model.waiting),
        format!("{:.0}", model.sessions),
        size(model.resident_bytes as u64),
    ]
}

/// The first column to the left, all others, which are figures, to the right.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..).map_while(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

/// A latency for a person.
fn ms(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.2} ms"),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1e3),
    }
}

/// A time for a person: its two largest units.
fn span(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::snapshot::Requests;

    #[test]
    fn figures_stand_below_each_other() {
        let requests = Requests { requests_per_second: 1234.5, p50_ms: Some(0.42), ..Requests::default() };
        let busy = Function { function: "a".into(), version: "12".into(), requests, busy: 3.0, idle: 0.0 };
        let quiet = Function { function: "longer-name".into(), ..Function::default() };
        let model = Model { model: "digits".into(), sessions: 1.0, resident_bytes: 2048.0, ..Model::default() };
        let snapshot = Snapshot { functions: vec![busy, quiet], models: vec![model], ..Snapshot::default() };
        let lines = lines(&snapshot, "http://127.0.0.1:8081");
        let table = &lines[6..];
        assert_eq!(table[0], "FUNCTION     VERSION   REQ/S      P50  P99  ERR/S  BUSY  IDLE");
        assert_eq!(table[1], "a                 12  1234.5  0.42 ms    -    0.0     3     0");
        assert_eq!(table[2], "longer-name        -     0.0        -    -    0.0     0     0");
        assert_eq!(table[5], "digits       -      0.0        0         1   2.0 KiB");
    }

    #[test]
    fn a_small_terminal_gets_what_fits_and_is_told_how_much_does_not() {
        let lines: Vec<String> = (0..30).map(|line| format!("line {line}")).collect();
        let fitted = fitted(&lines, "Ctrl-C ends", (6, 10));
        assert_eq!((fitted.len(), fitted[0].as_str(), fitted[8].as_str()), (10, "line 0", "line 8"));
        assert_eq!(fitted[9], "21 mor");
        assert_eq!(super::fitted(&lines[..2], "end", (80, 24)), ["line 0", "line 1", "end"]);
    }

    #[test]
    fn times_have_two_units() {
        assert_eq!([5.0, 65.0, 3700.0, 90_061.0].map(span), ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!([None, Some(0.5), Some(12.4), Some(2500.0)].map(ms), ["-", "0.50 ms", "12 ms", "2.5 s"]);
    }
}
