//! `modelet key create|list|rotate|revoke`.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use modelet_catalog::Scope;
use modelet_control::wire::{Key, KeyWithSecret, Keys, NewKey, Rotate};
use modelet_spec::{FunctionName, ModelName, span};

use super::client::Client;
use super::function::with_tenant;
use super::{ListArgs, ServerArgs};
use super::{output, pages};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key, and show its secret this once
    Create(CreateArgs),
    /// List the keys of a tenant, without their secrets
    List(ListArgs),
    /// Give a key another secret, and show it this once
    Rotate {
        /// The key's id
        id: String,
        /// How long the secret before goes on to hold, such as 1h
        #[arg(long, value_name = "TIME", value_parser = span::parse)]
        overlap: Option<Duration>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Take a key away: the next request with it is refused
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What it may do: admin, deploy, invoke or read
    #[arg(long = "scope", value_name = "S", required = true, value_parser = Scope::from_str)]
    scopes: Vec<Scope>,
    /// A function that it is bound to; with one of these or of --model, it reaches nothing else
    #[arg(long = "function", value_name = "F")]
    functions: Vec<FunctionName>,
    /// A model that it is bound to
    #[arg(long = "model", value_name = "M")]
    models: Vec<ModelName>,
    /// How long it holds, such as 30d [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    expires: Option<Duration>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(command: &KeyCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        KeyCommand::Create(args) => {
            let new = NewKey {
                tenant: server.tenant.clone(),
                scopes: args.scopes.iter().map(ToString::to_string).collect(),
                functions: args.functions.iter().cloned().collect(),
                models: args.models.iter().cloned().collect(),
                expires: args.expires,
            };
            made(&client.post("/v1/keys", &new)?, &args.list, "is made")
        }
        KeyCommand::List(list) => {
            let keys: Keys = pages::whole(&client, &with_tenant("/v1/keys", server))?;
            if list.json {
                return output::json(&keys);
            }
            print(&keys.keys);
            Ok(())
        }
        KeyCommand::Rotate { id, overlap, list } => {
            let path = with_tenant(&format!("/v1/keys/{id}/rotate"), server);
            made(&client.post(&path, &Rotate { overlap: *overlap })?, list, "has another secret")
        }
        KeyCommand::Revoke { id, list } => {
            let key: Key = client.delete(&with_tenant(&format!("/v1/keys/{id}"), server))?;
            if list.json {
                return output::json(&key);
            }
            output::line(&format!("{} is revoked", key.id));
            Ok(())
        }
    }
}

/// The secret alone on stdout, for whoever takes it from there; the rest beside it.
fn made(made: &KeyWithSecret, list: &ListArgs, what: &str) -> anyhow::Result<()> {
    if list.json {
        return output::json(made);
    }
    output::note(&format!("the key {} {what}; its secret is shown this once:", made.key.id));
    output::line(&made.secret);
    Ok(())
}

fn print(keys: &[Key]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let row = |key: &Key| {
        let names = key.functions.iter().map(ToString::to_string).chain(key.models.iter().map(ToString::to_string));
        let bound: Vec<String> = names.collect();
        let bound = if bound.is_empty() { "-".to_owned() } else { bound.join(" ") };
        let ends = match key.expires_ms {
            _ if key.is_expired => "has ended".to_owned(),
            Some(end) => format!("in {}", seconds(Duration::from_millis(end).saturating_sub(now))),
            None => "-".to_owned(),
        };
        let used = key.last_use_ms.map(|at| ago(now.saturating_sub(Duration::from_millis(at))));
        vec![key.id.clone(), key.scopes.join(" "), bound, ends, used.unwrap_or_else(|| "never".to_owned())]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    output::table(&["ID", "SCOPES", "BOUND TO", "ENDS", "LAST USE"], &rows);
}

fn ago(span: Duration) -> String {
    if span < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", seconds(span)) }
}

/// To the second: as finely as uses are known.
fn seconds(span: Duration) -> String {
    modelet_spec::span::format(Duration::from_secs(span.as_secs()))
}
