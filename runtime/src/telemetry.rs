//! The server's log: `tracing` events as lines on stderr, with a filter that SIGHUP can change.

use std::io::IsTerminal;

use anyhow::anyhow;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Words that are a whole filter.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What a guest could fill the log with, as often as it calls the host: it is not logged unless a filter names it.
const GUESTS_OWN: &str = "wasmtime_wasi_http=off,wasmtime_wasi=off";

/// Changes what is logged.
pub(crate) struct LogHandle(reload::Handle<EnvFilter, Registry>);

/// Starts logging. Once per process.
pub(crate) fn start(filter: &str) -> anyhow::Result<LogHandle> {
    let (filter, handle) = reload::Layer::new(parse(filter).map_err(|e| anyhow!(e))?);
    let is_terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogHandle(handle))
}

/// Whether a filter can be read; if not, why.
pub(crate) fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(|_| ())
}

impl LogHandle {
    /// Logs by another filter from now on.
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        self.0.reload(parse(filter).map_err(|e| anyhow!(e))?)?;
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    // A lone word that is no level would be taken for the name of a target and silence everything else.
    let is_word = !filter.contains(['=', ',']);
    if is_word && !LEVELS.contains(&filter.to_ascii_lowercase().as_str()) {
        return Err(format!("`{filter}` is none of {}", LEVELS.join(", ")));
    }
    EnvFilter::builder().parse(format!("{GUESTS_OWN},{filter}")).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives() {
        assert!(check("info").is_ok());
        assert!(check("WARN").is_ok());
        assert!(check("info,guest=off").is_ok());
        assert!(check("inf").unwrap_err().contains("none of off, error"));
        assert!(check("guest=loud").is_err());
    }

    #[test]
    fn what_a_guest_could_fill_the_log_with_is_logged_only_when_it_is_named() {
        let filter = |text| parse(text).unwrap().to_string();
        assert!(filter("info").contains("wasmtime_wasi_http=off"), "{}", filter("info"));
        let named = filter("info,wasmtime_wasi_http=debug");
        assert!(named.contains("wasmtime_wasi_http=debug") && !named.contains("wasmtime_wasi_http=off"), "{named}");
    }
}
