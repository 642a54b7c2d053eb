//! The command line: what may be typed, and which file does it.

mod apply;
mod archive;
mod audit;
mod build;
mod bundle;
mod change;
mod check;
mod child;
mod client;
mod compile;
mod completions;
mod deploy;
mod doctor;
pub(crate) mod find;
mod function;
mod hidden;
mod inspect;
mod invoke;
mod key;
pub(crate) mod library;
mod logs;
mod model;
mod output;
mod pages;
mod project;
mod restore;
mod secret;
mod serve;
mod tenant;
#[cfg(test)]
mod tests;
mod top;
mod traffic;
mod trial;
mod usage;
mod versions;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use modelet_spec::{At, FunctionName, InvocationId, TenantName};

/// WebAssembly functions with machine-learning models inside.
#[derive(Debug, Parser)]
#[command(name = "modelet", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server is meant.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The data directory of a server on this machine [default: the nearest .modelet]
    #[arg(long, global = true, value_name = "DIR", env = "MODELET_SERVER_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The admin address of a server; its key is read from MODELET_KEY
    #[arg(long, global = true, value_name = "URL", env = "MODELET_URL")]
    pub(crate) url: Option<String>,
    /// Authorities that are trusted instead of the usual ones where an https:// URL names the server, in PEM
    #[arg(long, global = true, value_name = "FILE", env = "MODELET_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Whose functions and models are meant
    #[arg(long, global = true, value_name = "T")]
    pub(crate) tenant: Option<TenantName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    #[command(after_long_help = crate::config::help())]
    Serve(serve::ServeArgs),
    /// Report every fault of the configuration at once
    Check(ConfigArgs),
    /// Report what this machine lacks, and the fix
    Doctor(DoctorArgs),
    /// Build the function in DIR and check the result
    Build(BuildArgs),
    /// Show what a component or a model is made of
    Inspect(InspectArgs),
    /// Deploy the function in DIR, or a single component
    Deploy(DeployArgs),
    /// Send a request to a function
    Invoke(InvokeArgs),
    /// Show what a function wrote
    Logs(LogsArgs),
    /// Show what the server does now: requests, latencies, instances, models, memory
    Top(TopArgs),
    /// Make an earlier version of a function live, at once
    Rollback(versions::RollbackArgs),
    /// Share a function's requests out among its versions, or show how they are
    Traffic(traffic::TrafficArgs),
    /// Go back to what served at an earlier moment: functions, how their requests are shared out, models, labels
    Restore(restore::RestoreArgs),
    /// Make the server have what files say: tenants, models, functions, traffic
    Apply(apply::ApplyArgs),
    /// Write all desired state of a server or a tenant into a file
    Export(archive::ExportArgs),
    /// Take the file of an export in, all of it or nothing
    Import(archive::ImportArgs),
    /// Functions: list, show, versions, scale, remove
    #[command(subcommand)]
    Function(FunctionCommand),
    /// Models: push, list, show, versions, label, pin, unload, optimize, grant, revoke, remove
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Keys: create, list, rotate, revoke
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Secrets: set, list, remove, rekey
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Tenants: create, list, show, limits, claims, remove
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Show what was used, by tenant, function and model
    Usage(usage::UsageArgs),
    /// Print a script with which a shell completes commands and options
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    Man(completions::ManArgs),
    /// Show who changed what, when, from where; or check that nothing of that was altered
    Audit(audit::AuditArgs),
    /// Try the model that stdin names: started by the server
    #[command(hide = true)]
    Trial,
    /// Compile the component that stdin names: started by the server
    #[command(hide = true)]
    Compile,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: modelet.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where functions are served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where the admin API listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The configuration file [default: modelet.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Also read everything in the data directory, and compare it with its digests; no server may use it meanwhile
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The function's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A component (.wasm), a model (.onnx), or a model's folder
    #[arg(value_name = "FILE.wasm|FILE.onnx|DIR")]
    pub(crate) file: PathBuf,
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The function's folder, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE.wasm")]
    pub(crate) source: PathBuf,
    /// The function's name [default: the manifest's, or the component's file name]
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<FunctionName>,
    /// Where it answers
    #[arg(long = "route", value_name = "R", help = "Where it answers, as [HOST]/PATH; replaces the manifest's routes")]
    pub(crate) routes: Vec<String>,
    /// A model that it may load
    #[arg(
        long = "model",
        value_name = "ALIAS=MODEL",
        help = "A model that it may load: ALIAS=NAME[@VERSION|@LABEL], ALIAS=FILE.onnx or ALIAS=./DIR"
    )]
    pub(crate) models: Vec<String>,
    /// A value that it reads by wasi:config
    #[arg(long = "config", value_name = "K=V")]
    pub(crate) config: Vec<String>,
    /// Accept capabilities that the version before had not
    #[arg(long)]
    pub(crate) allow_new_capabilities: bool,
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// The route's path, such as /file-type, or a whole URL
    pub(crate) route: String,
    /// The body, or @FILE; makes the request a POST
    #[arg(short = 'd', long = "data", value_name = "BODY|@FILE")]
    pub(crate) data: Option<String>,
    /// A header of the request, as NAME: VALUE
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function
    pub(crate) function: FunctionName,
    /// Go on with what it writes next
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Only what it wrote in this invocation: the `modelet-invocation` of an answer
    #[arg(long, value_name = "ID")]
    pub(crate) invocation: Option<InvocationId>,
    /// Print JSON only; with -f, a line of it for each line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// What functions are sorted by, the largest first
    #[arg(long, value_name = "COLUMN", default_value = "requests")]
    pub(crate) sort: top::Sort,
    /// What rates and latencies are of, and how often the picture is drawn again
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = top::interval)]
    pub(crate) interval: Duration,
    /// Print one picture as JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionCommand {
    /// List all functions
    List(AtArgs),
    /// Show one function
    Show {
        /// The function
        name: FunctionName,
        #[command(flatten)]
        list: AtArgs,
    },
    /// List all versions of a function
    Versions {
        /// The function
        name: FunctionName,
        #[command(flatten)]
        list: AtArgs,
    },
    /// Remove a function, or one version of it
    Remove(versions::RemoveFunctionArgs),
    /// Keep instances of a function warm, also when nobody calls
    Scale {
        /// The function
        name: FunctionName,
        /// So many, from now on and after each start and deploy; 0: none
        #[arg(long, value_name = "N")]
        min: u32,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

/// A listing of what there is, or was.
#[derive(Debug, Args)]
pub(crate) struct AtArgs {
    /// What there was at an earlier moment: 2026-11-28T17:40:00Z, or 10m for ten minutes ago
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<At>,
    /// Print JSON only
    #[arg(long)]
    pub(crate) json: bool,
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve::run(&args, cli.server.data_dir),
        Command::Check(args) => check::run(&args, cli.server.data_dir),
        Command::Doctor(args) => doctor::run(&args, cli.server.data_dir),
        Command::Build(args) => build::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Trial => trial::run(),
        Command::Compile => compile::run(),
        Command::Deploy(args) => deploy::run(&args, &cli.server),
        Command::Invoke(args) => invoke::run(&args, &cli.server),
        Command::Logs(args) => logs::run(&args, &cli.server),
        Command::Top(args) => top::run(&args, &cli.server),
        Command::Rollback(args) => versions::rollback(&args, &cli.server),
        Command::Traffic(args) => traffic::run(&args, &cli.server),
        Command::Restore(args) => restore::run(&args, &cli.server),
        Command::Apply(args) => apply::run(&args, &cli.server),
        Command::Export(args) => archive::export(&args, &cli.server),
        Command::Import(args) => archive::import(&args, &cli.server),
        Command::Function(command) => function::run(&command, &cli.server),
        Command::Model(command) => model::run(&command, &cli.server),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
        Command::Key(command) => key::run(&command, &cli.server),
        Command::Secret(command) => secret::run(&command, &cli.server),
        Command::Tenant(command) => tenant::run(&command, &cli.server),
        Command::Usage(args) => usage::run(&args, &cli.server),
        Command::Audit(args) => audit::run(&args, &cli.server),
    }
}
