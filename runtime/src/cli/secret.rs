//! `modelet secret set|list|remove|rekey`. A value is never an argument: those can be seen by others on the machine.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use modelet_control::wire::{Rekeyed, RemovedSecret, Secrets, SetSecret};
use modelet_spec::{SecretName, Timestamp};
use zeroize::Zeroizing;

use super::client::{Client, query};
use super::function::with_tenant;
use super::{ListArgs, ServerArgs, hidden, output, pages};

/// More than any server takes: only so much is read.
const VALUE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret to what stdin says, or a file
    Set(SetArgs),
    /// List the secrets of a tenant, without their values
    List(ListArgs),
    /// Remove a secret
    Remove {
        /// The secret
        name: SecretName,
        /// Also while functions name it: they find it no longer
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Have the server seal all secrets with another key, and forget the one before
    Rekey(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The secret
    name: SecretName,
    /// The file with the value, byte for byte [default: stdin, without the end of its last line]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(command: &SecretCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        SecretCommand::Set(args) => set(&client, server, args),
        SecretCommand::List(list) => {
            let secrets: Secrets = pages::whole(&client, &with_tenant("/v1/secrets", server))?;
            if list.json {
                return output::json(&secrets);
            }
            print(&secrets);
            Ok(())
        }
        SecretCommand::Remove { name, force, list } => {
            let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
            let force = ("force", force.then(|| "true".to_owned()));
            let removed: RemovedSecret = client.delete(&query(&format!("/v1/secrets/{name}"), &[tenant, force]))?;
            if list.json {
                return output::json(&removed);
            }
            output::line(&format!("{} is removed", removed.name));
            removed.functions.iter().for_each(|function| output::line(&format!("  {function} finds it no longer")));
            Ok(())
        }
        SecretCommand::Rekey(list) => {
            let rekeyed: Rekeyed = client.post_nothing("/v1/secret-key/rotate")?;
            if list.json {
                return output::json(&rekeyed);
            }
            let are = if rekeyed.secrets == 1 { "is" } else { "are" };
            output::line(&format!("{} {are} sealed with another key", output::count(rekeyed.secrets, "secret")));
            Ok(())
        }
    }
}

fn set(client: &Client, server: &ServerArgs, args: &SetArgs) -> anyhow::Result<()> {
    let value = match &args.file {
        Some(file) => of_file(file)?,
        None => of_stdin(&args.name)?,
    };
    let set: SetSecret = client.put_bytes(&with_tenant(&format!("/v1/secrets/{}", args.name), server), &value)?;
    if args.list.json {
        return output::json(&set);
    }
    output::line(&format!("{} is set", set.secret.name));
    set.functions.iter().for_each(|function| output::line(&format!("  {function} has the new value")));
    set.failed.iter().for_each(|failed| output::line(&format!("  not {failed}")));
    Ok(())
}

fn of_file(file: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let open = || std::fs::File::open(file);
    read(&mut open().with_context(|| format!("{} cannot be read", file.display()))?)
        .with_context(|| format!("{} cannot be sent", file.display()))
}

fn of_stdin(name: &SecretName) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return hidden::ask(&format!("value of {name}"));
    }
    let mut value = read(&mut stdin.lock()).context("stdin cannot be read")?;
    hidden::without_line_end(&mut value);
    Ok(value)
}

fn read(from: &mut impl Read) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(Vec::new());
    let read = from.take(VALUE_BYTES_MAX + 1).read_to_end(&mut value)?;
    if read as u64 > VALUE_BYTES_MAX {
        bail!("it is over {VALUE_BYTES_MAX} bytes: no secret is that large");
    }
    Ok(value)
}

fn print(secrets: &Secrets) {
    if secrets.secrets.is_empty() {
        return output::line("no secrets yet: set one with `modelet secret set NAME`");
    }
    let row = |secret: &modelet_control::wire::Secret| {
        let by = secret.set_by.clone().unwrap_or_else(|| "-".to_owned());
        vec![secret.name.to_string(), Timestamp::from_ms(secret.set_ms).to_string(), by]
    };
    output::table(&["NAME", "SET", "BY"], &secrets.secrets.iter().map(row).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_whole_and_not_without_end() {
        assert_eq!(read(&mut &b"s3cr3t\n"[..]).unwrap().as_slice(), b"s3cr3t\n");
        let large = vec![0; VALUE_BYTES_MAX as usize + 1];
        assert!(read(&mut large.as_slice()).unwrap_err().to_string().contains("no secret is that large"));
        let missing = of_file(Path::new("no-such-file")).unwrap_err().to_string();
        assert!(missing.contains("no-such-file cannot be read"), "{missing}");
    }
}
