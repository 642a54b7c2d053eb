//! `modelet top [--sort COLUMN] [--interval TIME] [--json]`: what the server does now, by its metrics. A picture that is drawn
//! again on a terminal; one in a pipe.

mod scrape;
mod screen;
mod snapshot;

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;

use super::client::Client;
use super::output;
use super::{ServerArgs, TopArgs};
use scrape::Scrape;
use snapshot::Snapshot;
pub(crate) use snapshot::Sort;

/// Rates over less mean little; over more, nobody waits.
const INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// A terminal that does not say how large it is.
const SIZE: (usize, usize) = (80, 24);

pub(crate) fn run(args: &TopArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    let is_live = !args.json && std::io::stdout().is_terminal();
    let mut before = scrape(&client)?;
    loop {
        thread::sleep(args.interval);
        let now = scrape(&client)?;
        let mut snapshot = Snapshot::between(&before, &now, server.tenant.as_ref());
        snapshot.sort(args.sort);
        snapshot.server.uptime_seconds = now.sum("process_start_time_seconds").map(since);
        if args.json {
            return output::json(&snapshot);
        }
        let lines = screen::lines(&snapshot, client.admin_url());
        if !is_live {
            lines.iter().for_each(|line| output::line(line));
            return Ok(());
        }
        if draw(&lines, args.sort).is_err() {
            // Nobody looks any more.
            return Ok(());
        }
        before = now;
    }
}

/// How often, from the command line.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = modelet_spec::span::parse(text).map_err(|why| why.to_string())?;
    if INTERVAL.contains(&interval) { Ok(interval) } else { Err("must be from 100ms to 1h".to_owned()) }
}

fn scrape(client: &Client) -> anyhow::Result<Scrape> {
    let scrape = Scrape::parse(&client.text("/metrics")?, Instant::now());
    if scrape.each("modelet_functions").next().is_none() {
        bail!("{} has no metrics of a Modelet server of this version", client.admin_url());
    }
    Ok(scrape)
}

/// Seconds from a time in seconds of Unix until now.
fn since(start: f64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() - start).max(0.0)
}

/// Draws over what is there: nothing flickers, and the last picture stays when the command is ended by Ctrl-C.
fn draw(lines: &[String], sort: Sort) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row))).filter(|(w, h)| *w > 0 && *h > 0);
    let picture = screen::fitted(lines, &format!("by {}; Ctrl-C ends", sort.name()), size.unwrap_or(SIZE));
    // Home; each line up to its end; and what is left below.
    let rows: String = picture.iter().map(|row| format!("\r\n{row}\x1b[K")).collect();
    write!(out, "\x1b[H{}\x1b[J", rows.trim_start_matches("\r\n"))?;
    out.flush()
}
