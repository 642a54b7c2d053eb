//! `modelet completions SHELL` and `modelet man [DIR]`: made of the same description as `--help`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, output};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell: `source <(modelet completions bash)`
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages of all commands go; that of `modelet` itself goes to stdout when left out
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// `modelet completions SHELL`
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "modelet", &mut script);
    print(&script);
    Ok(())
}

/// `modelet man [DIR]`
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<()> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page)?;
        print(&page);
        return Ok(());
    };
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command(), dir));
    written.with_context(|| format!("{} cannot be written", dir.display()))?;
    output::line(&format!("the manual pages are in {}", dir.display()));
    Ok(())
}

/// What can be typed, without what this machine's environment says.
fn command() -> clap::Command {
    Cli::command().mut_args(|arg| arg.hide_env_values(true))
}

/// Text as it is. A reader that has gone is no failure.
fn print(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}
