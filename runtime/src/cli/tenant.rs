//! `modelet tenant create|list|show|limits|claims|remove`.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use modelet_control::wire::{ChangeClaims, NewTenant, RemovedTenant, Tenant, TenantUse, Tenants};
use modelet_spec::{Claims, HostName, PathPrefix, TenantLimits, TenantName};
use serde_json::{Map, Value};

use super::client::{Client, query};
use super::{ListArgs, ServerArgs};
use super::{output, pages};

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Make a tenant
    Create(CreateArgs),
    /// List the tenants
    List(ListArgs),
    /// Show a tenant: what it may claim and have, and what it has
    Show {
        /// The tenant
        name: TenantName,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Say what a tenant may have
    Limits(LimitsArgs),
    /// Say where a tenant's functions may answer
    Claims(ClaimsArgs),
    /// Remove a tenant; its name is never used again
    Remove {
        /// The tenant
        name: TenantName,
        /// Remove it although it has functions or models: they go with it
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        list: ListArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: TenantName,
    /// A host at which its functions may answer, such as acme.example
    #[arg(long = "host", value_name = "H")]
    hosts: Vec<HostName>,
    /// A path at and below which they may answer, at any host, such as /acme
    #[arg(long = "path", value_name = "P")]
    paths: Vec<PathPrefix>,
    #[command(flatten)]
    limits: Wanted,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ClaimsArgs {
    /// The tenant
    name: TenantName,
    /// A host to be given
    #[arg(long = "host", value_name = "H")]
    hosts: Vec<HostName>,
    /// A path to be given, with those below, at any host
    #[arg(long = "path", value_name = "P")]
    paths: Vec<PathPrefix>,
    /// A host to be taken back
    #[arg(long = "remove-host", value_name = "H")]
    remove_hosts: Vec<HostName>,
    /// A path to be taken back
    #[arg(long = "remove-path", value_name = "P")]
    remove_paths: Vec<PathPrefix>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    /// The tenant
    name: TenantName,
    #[command(flatten)]
    limits: Wanted,
    #[command(flatten)]
    list: ListArgs,
}

/// What a tenant is to have.
#[derive(Debug, Args)]
struct Wanted {
    // Not a comment for rustdoc, which would take the brackets for a link.
    #[arg(
        value_name = "LIMIT=VALUE",
        value_parser = limit,
        help = "What it may have, such as concurrency=8 or memory=256MiB; LIMIT=none: as the server has it"
    )]
    limits: Vec<(String, Value)>,
    /// How much it counts beside others that wait for the same, from 1 to 100: the same as weight=N
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
}

impl Wanted {
    fn fields(&self) -> Map<String, Value> {
        let mut fields: Map<String, Value> = self.limits.iter().cloned().collect();
        fields.extend(self.weight.map(|weight| ("weight".to_owned(), weight.into())));
        fields
    }
}

pub(crate) fn run(command: &TenantCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        TenantCommand::Create(args) => create(&client, args),
        TenantCommand::List(list) => {
            let answer: Tenants = pages::whole(&client, "/v1/tenants")?;
            if list.json {
                return output::json(&answer);
            }
            print_list(&answer.tenants);
            Ok(())
        }
        TenantCommand::Show { name, list } => {
            let tenant: Tenant = client.get(&format!("/v1/tenants/{name}"))?;
            if list.json {
                return output::json(&tenant);
            }
            print_one(&tenant)
        }
        TenantCommand::Limits(args) => limits(&client, args),
        TenantCommand::Claims(args) => change_claims(&client, args),
        TenantCommand::Remove { name, force, list } => remove(&client, name, *force, list),
    }
}

fn create(client: &Client, args: &CreateArgs) -> anyhow::Result<()> {
    let (hosts, paths) = (args.hosts.iter().cloned().collect(), args.paths.iter().cloned().collect());
    let new = NewTenant { name: args.name.clone(), hosts, paths, limits: args.limits.fields() };
    let tenant: Tenant = client.post("/v1/tenants", &new)?;
    if args.list.json {
        return output::json(&tenant);
    }
    output::line(&format!("{} is made; it may claim {}", tenant.name, claims(&tenant)));
    if args.limits.fields().is_empty() { Ok(()) } else { print_limits(&tenant.limits) }
}

fn limits(client: &Client, args: &LimitsArgs) -> anyhow::Result<()> {
    let patch = args.limits.fields();
    let path = format!("/v1/tenants/{}", args.name);
    let tenant: Tenant =
        if patch.is_empty() { client.get(&path)? } else { client.patch_json(&format!("{path}/limits"), &patch)? };
    if args.list.json {
        return output::json(&tenant.limits);
    }
    print_limits(&tenant.limits)
}

/// Shows the claims when nothing is to change.
fn change_claims(client: &Client, args: &ClaimsArgs) -> anyhow::Result<()> {
    let change = ChangeClaims {
        add_hosts: args.hosts.iter().cloned().collect(),
        add_paths: args.paths.iter().cloned().collect(),
        remove_hosts: args.remove_hosts.iter().cloned().collect(),
        remove_paths: args.remove_paths.iter().cloned().collect(),
    };
    let path = format!("/v1/tenants/{}", args.name);
    let is_nothing = [args.hosts.len(), args.paths.len(), args.remove_hosts.len(), args.remove_paths.len()] == [0; 4];
    let tenant: Tenant =
        if is_nothing { client.get(&path)? } else { client.patch_json(&format!("{path}/claims"), &change)? };
    if args.list.json {
        return output::json(&tenant);
    }
    output::line(&format!("{} may claim {}", tenant.name, claims(&tenant)));
    Ok(())
}

/// A number where it is one, else text: the server knows what each limit is.
fn limit(pair: &str) -> anyhow::Result<(String, Value)> {
    let (name, value) = pair.split_once('=').ok_or_else(|| anyhow!("write LIMIT=VALUE, such as concurrency=8"))?;
    let value = match (value, value.parse::<u64>()) {
        ("none", _) => Value::Null,
        (_, Ok(number)) => number.into(),
        (text, Err(_)) => text.into(),
    };
    Ok((name.to_owned(), value))
}

fn remove(client: &Client, name: &TenantName, force: bool, list: &ListArgs) -> anyhow::Result<()> {
    let force = ("force", force.then(|| "true".to_owned()));
    let removed: RemovedTenant = client.delete(&query(&format!("/v1/tenants/{name}"), &[force]))?;
    if list.json {
        return output::json(&removed);
    }
    output::line(&format!("{name} is removed"));
    removed.functions.iter().for_each(|function| output::line(&format!("  with its function {function}")));
    removed.models.iter().for_each(|model| output::line(&format!("  with its model {model}")));
    Ok(())
}

fn claims(tenant: &Tenant) -> String {
    Claims { hosts: tenant.hosts.clone(), paths: tenant.paths.clone() }.to_string()
}

fn print_list(tenants: &[Tenant]) {
    let row = |tenant: &Tenant| {
        let hosts: Vec<&str> = tenant.hosts.iter().map(HostName::as_str).collect();
        let paths: Vec<&str> = tenant.paths.iter().map(PathPrefix::as_str).collect();
        vec![tenant.name.to_string(), hosts.join(" "), paths.join(" ")]
    };
    output::table(&["NAME", "HOSTS", "PATHS"], &tenants.iter().map(row).collect::<Vec<_>>());
}

fn print_one(tenant: &Tenant) -> anyhow::Result<()> {
    let is_default = tenant.name == TenantName::default_tenant();
    let may = if is_default { "all that no other tenant was given".to_owned() } else { claims(tenant) };
    output::line(&format!("{}  may claim {may}", tenant.name));
    tenant.usage.iter().for_each(print_usage);
    print_limits(&tenant.limits)
}

fn print_usage(usage: &TenantUse) {
    output::line(&format!("functions       {}, {} requests running", usage.functions, usage.running));
    let (bytes, max) = (output::size(usage.model_bytes), output::size(usage.model_bytes_max));
    output::line(&format!("models          {}, {bytes} of {max}", usage.models));
    output::line(&format!("secrets         {}", usage.secrets));
    let bytes = output::size(usage.keyvalue_bytes);
    let (cpu, inference) = (usage.cpu_seconds_today, usage.inference_seconds_today);
    output::line(&format!("today           {cpu:.3} s of processors, {inference:.3} s of models"));
    output::line(&format!("keys and values {} keys, {bytes}", usage.keyvalue_keys));
}

fn print_limits(limits: &TenantLimits) -> anyhow::Result<()> {
    let Value::Object(fields) = serde_json::to_value(limits)? else { return Ok(()) };
    if fields.is_empty() {
        output::line("no limits of its own: those of the server hold");
    }
    for (name, value) in fields {
        output::line(&format!("limit           {name} = {}", value.as_str().map_or(value.to_string(), str::to_owned)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_a_text_or_none() {
        for (pair, expected) in [
            ("concurrency=8", serde_json::json!(8)),
            ("memory=256MiB", "256MiB".into()),
            ("cpu=none", Value::Null),
            ("x=a=b", "a=b".into()),
        ] {
            assert_eq!(limit(pair).unwrap().1, expected, "{pair}");
        }
        assert!(limit("concurrency").unwrap_err().to_string().contains("LIMIT=VALUE"));
    }
}
