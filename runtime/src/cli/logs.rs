//! `modelet logs [-f] FUNCTION [--invocation ID]`.

use std::time::Duration;

use modelet_control::wire::{LogLine, LogPage};

use super::client::{Client, query};
use super::output;
use super::{LogsArgs, ServerArgs};

/// How long the server is asked to wait for the next line: the most that it does.
const WAIT: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &LogsArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    let mut page = ask(&client, args, server, None)?;
    if args.json && !args.follow {
        return output::json(&page);
    }
    loop {
        for line in &page.lines {
            output::line(&if args.json { serde_json::to_string(line)? } else { shown(line) });
        }
        if !args.follow {
            return Ok(());
        }
        page = ask(&client, args, server, Some(page.next))?;
    }
}

fn ask(client: &Client, args: &LogsArgs, server: &ServerArgs, after: Option<u64>) -> anyhow::Result<LogPage> {
    let parameters = [
        ("tenant", server.tenant.as_ref().map(ToString::to_string)),
        ("invocation", args.invocation.map(|id| id.to_string())),
        ("after", after.map(|after| after.to_string())),
        ("wait_ms", after.map(|_| WAIT.as_millis().to_string())),
    ];
    client.get(&query(&format!("/v1/functions/{}/logs", args.function), &parameters))
}

/// A line for a person. What a function wrote cannot move the cursor or change a colour.
fn shown(line: &LogLine) -> String {
    let text: String = line.text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    format!("{} {} {} {text}", time(line.time_ms), line.invocation, line.stream)
}

/// The time of day, UTC.
fn time(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000 % 86_400, unix_ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::{InvocationId, Version};

    #[test]
    fn a_line_is_shown_with_its_time_and_without_what_a_terminal_obeys() {
        let line = LogLine {
            seq: 1,
            time_ms: 86_400_000 + 3_723_004,
            version: Version::FIRST,
            invocation: InvocationId::new(0),
            stream: "stdout".to_owned(),
            text: "a\tb\u{1b}[31mred".to_owned(),
        };
        assert_eq!(shown(&line), "01:02:03.004 00000000000000000000000000 stdout a\tb\u{fffd}[31mred");
    }
}
