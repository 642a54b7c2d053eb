//! `modelet model …`: one file for each of its commands.

mod list;
mod memory;
mod push;

use clap::Subcommand;
use modelet_spec::ModelName;

use super::client::Client;
use super::{ListArgs, ServerArgs};
use memory::{PinArgs, UnloadArgs};
use push::PushArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Push an ONNX model
    Push(PushArgs),
    /// List all models
    List(ListArgs),
    /// Show one model and its versions
    Show {
        /// The model
        name: ModelName,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Keep a model in memory
    Pin(PinArgs),
    /// Let a model go from memory now
    Unload(UnloadArgs),
}

pub(crate) fn run(command: &ModelCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        ModelCommand::Push(args) => push::run(&client, args, server),
        ModelCommand::List(args) => list::run(&client, args, server),
        ModelCommand::Show { name, list } => list::show(&client, name, list, server),
        ModelCommand::Pin(args) => memory::pin(&client, args, server),
        ModelCommand::Unload(args) => memory::unload(&client, args, server),
    }
}
