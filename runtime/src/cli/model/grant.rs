//! `modelet model grant NAME --to TENANT [--share-batch]`, and `revoke`.

use clap::Args;
use modelet_control::wire::{Grant, NewGrant};
use modelet_spec::{ModelName, TenantName};

use crate::cli::ServerArgs;
use crate::cli::client::Client;
use crate::cli::function::with_tenant;
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The model, with all its versions
    name: ModelName,
    /// The tenant that may use it
    #[arg(long, value_name = "TENANT")]
    to: TenantName,
    /// Let its calls be joined with those of further tenants, where both sides' functions say so
    #[arg(long)]
    share_batch: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The model
    name: ModelName,
    /// The tenant that may use it no longer
    #[arg(long, value_name = "TENANT")]
    to: TenantName,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(super) fn grant(client: &Client, args: &GrantArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let path = with_tenant(&format!("/v1/models/{}/grants/{}", args.name, args.to), server);
    let grant: Grant = client.put_json(&path, &NewGrant { share_batch: args.share_batch })?;
    if args.json {
        return output::json(&grant);
    }
    let shared = if grant.share_batch { "; its calls may be joined with other tenants'" } else { "" };
    output::line(&format!("{} may use {}{shared}", grant.to, grant.model));
    Ok(())
}

pub(super) fn revoke(client: &Client, args: &RevokeArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let path = with_tenant(&format!("/v1/models/{}/grants/{}", args.name, args.to), server);
    let grant: Grant = client.delete(&path)?;
    if args.json {
        return output::json(&grant);
    }
    output::line(&format!("{} finds {} no longer when it next loads it", grant.to, grant.model));
    Ok(())
}
