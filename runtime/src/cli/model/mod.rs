//! `modelet model …`: one file for each of its commands.

mod grant;
mod label;
mod list;
mod memory;
mod optimize;
pub(crate) mod push;
mod remove;

use anyhow::bail;
use clap::Subcommand;
use modelet_spec::{ModelName, ModelRef, Pick};

use super::client::Client;
use super::{AtArgs, ServerArgs};
use grant::{GrantArgs, RevokeArgs};
use label::LabelArgs;
use memory::{PinArgs, UnloadArgs};
use optimize::OptimizeArgs;
use push::PushArgs;
use remove::RemoveArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Push an ONNX model, with its card and its weights
    Push(PushArgs),
    /// List all models
    List(AtArgs),
    /// Show one model: its card, what goes in and what comes out
    Show {
        // Not a comment for rustdoc, which would take the brackets for a link.
        #[arg(help = "The model, as NAME[@VERSION|@LABEL]")]
        model: ModelRef,
        #[command(flatten)]
        list: AtArgs,
    },
    /// List the versions of one model
    Versions {
        /// The model
        name: ModelName,
        #[command(flatten)]
        list: AtArgs,
    },
    /// Put a label at a version, or take it away
    Label(LabelArgs),
    /// Remove a model, or one version of it
    Remove(RemoveArgs),
    /// Keep a model in memory
    Pin(PinArgs),
    /// Let a model go from memory now
    Unload(UnloadArgs),
    /// Let another tenant use a model
    Grant(GrantArgs),
    /// Take a grant back
    Revoke(RevokeArgs),
    /// Make a smaller version of a model, and report how far its answers drift
    Optimize(OptimizeArgs),
}

pub(crate) fn run(command: &ModelCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        ModelCommand::Push(args) => push::run(&client, args, server),
        ModelCommand::List(args) => list::run(&client, args, server),
        ModelCommand::Show { model, list } => list::show(&client, model, list, server),
        ModelCommand::Versions { name, list } => list::versions(&client, name, list, server),
        ModelCommand::Label(args) => label::run(&client, args, server),
        ModelCommand::Remove(args) => remove::run(&client, args, server),
        ModelCommand::Pin(args) => memory::pin(&client, args, server),
        ModelCommand::Unload(args) => memory::unload(&client, args, server),
        ModelCommand::Grant(args) => grant::grant(&client, args, server),
        ModelCommand::Revoke(args) => grant::revoke(&client, args, server),
        ModelCommand::Optimize(args) => optimize::run(&client, args, server),
    }
}

/// What a reference means of the caller's own models. Another tenant's are a grant's business.
fn own(model: &ModelRef) -> anyhow::Result<(&ModelName, Option<&Pick>)> {
    if let Some(owner) = &model.owner {
        bail!("{model} belongs to the tenant {owner}: name the model alone, and the tenant by --tenant");
    }
    let pick = Some(&model.pick).filter(|pick| **pick != Pick::Latest);
    Ok((&model.name, pick))
}
