//! `modelet check`: every fault of the configuration at once.

use std::path::PathBuf;

use super::ConfigArgs;
use super::output;
use crate::config::{Config, FILE_DEFAULT, Sources};

pub(crate) fn run(args: &ConfigArgs, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let config = Config::load(&sources(args, data_dir))?;
    let file = args.config.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    let what = if file.is_file() { file.display().to_string() } else { "the defaults".to_owned() };
    output::line(&format!(
        "{what}: no fault; functions on {}, admin on {}, data in {}",
        config.server.listen,
        config.server.admin_listen,
        config.data_dir.display()
    ));
    Ok(())
}

/// What the flags say.
pub(crate) fn sources(args: &ConfigArgs, data_dir: Option<PathBuf>) -> Sources {
    let data_dir = data_dir.map(|dir| dir.to_string_lossy().into_owned());
    let flags = [
        ("listen", "--listen", args.listen.clone()),
        ("admin_listen", "--admin-listen", args.admin_listen.clone()),
        ("data_dir", "--data-dir", data_dir),
    ];
    let given = flags.into_iter().filter_map(|(key, flag, value)| Some(("server", key, flag, value?)));
    Sources { file: args.config.clone(), flags: given.collect() }
}
