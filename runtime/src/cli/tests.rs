//! What can be typed, as the user reads it: a change here is a change of the contract.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_is_as_agreed() {
    // A variable of the machine that runs the test must not show.
    let mut command = Cli::command().mut_args(|arg| arg.hide_env_values(true)).term_width(100);
    command.build();
    let mut text = command.render_long_help().to_string();
    for subcommand in command.get_subcommands_mut().filter(|subcommand| !subcommand.is_hide_set()) {
        let subcommand_name = subcommand.get_name().to_owned();
        text.push_str(&format!("\n=== {subcommand_name}\n"));
        // The keys of the configuration have a test of their own, and defaults that differ by machine.
        text.push_str(&subcommand.render_help().to_string());
        for nested in subcommand.get_subcommands_mut().filter(|nested| !nested.is_hide_set()) {
            let name = format!("{} {}", subcommand_name, nested.get_name());
            text.push_str(&format!("\n=== {name}\n{}", nested.render_help()));
        }
    }
    insta::assert_snapshot!(text);
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("modelet").chain(line.split_whitespace()))
}

#[test]
fn the_rows_of_the_contract_can_be_typed() {
    for line in [
        "serve --config f --data-dir d --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0",
        "check --config f",
        "doctor",
        "build",
        "build functions/x",
        "inspect f.wasm",
        "inspect f.onnx --json",
        "deploy",
        "deploy f.wasm --tenant t --name n --route /a --route /b --model m=n@1 --model o=f.onnx --config k=v --allow-new-capabilities",
        "invoke /a -d body -H a:b -H c:d",
        "logs f",
        "logs -f f --invocation 01arz3ndektsv4rrffq69g5fav --json",
        "top",
        "top --sort p99 --interval 500ms --json --tenant t",
        "function list --json",
        "function show f --url http://127.0.0.1:1",
        "function scale f --min 2 --json",
        "function versions f --json",
        "function list --at 10m",
        "function show f --at 2026-11-28T17:40:00Z",
        "function versions f --at 1d --json",
        "audit --tenant t --kind key --subject f --since 1h --until 1m --limit 5 --json",
        "audit --verify --anchor 7:00",
        "model list --at 1h",
        "model show m --at 1h --json",
        "model versions m --at 1h",
        "restore --at 10m --dry-run --json",
        "restore --at 2026-11-28T17:40:00+01:00 --tenant t",
        "completions bash",
        "completions zsh",
        "completions fish",
        "man",
        "man pages",
        "apply desired.toml",
        "apply dir --dry-run --prune --json --tenant t",
        "export backup.tar",
        "export backup.tar --tenant acme --json",
        "import backup.tar --dry-run",
        "import backup.tar --replace --tenant acme --json",
        "function remove f",
        "function remove f --version 2 --force --json",
        "rollback f",
        "rollback f --to 2 --json --tenant t",
        "traffic f",
        "traffic f 1=90 2=10 --sticky x-user --shadow 3 --json",
        "traffic f --off",
        "model push f.onnx --name n --label stable",
        "model pin digits@1 --off",
        "model unload digits@stable --force --json",
        "model list --data-dir d",
        "model show m --json",
        "model show m@2",
        "model push dir --name n --card card.toml",
        "model versions m --json",
        "model label m@1 stable",
        "model label m stable --remove",
        "model remove m@stable --force",
        "model remove m",
        "model grant m --to acme --share-batch",
        "model revoke m --to acme --tenant t",
        "inspect dir --json",
        "key create --scope invoke --scope read --function f --model m --expires 30d --tenant acme --json",
        "key list --json",
        "key rotate key-0 --overlap 1h",
        "key revoke key-0 --tenant acme",
        "secret set stripe-key --tenant acme --json",
        "secret set stripe-key --file key.pem",
        "secret list --json",
        "secret remove stripe-key --force",
        "secret rekey",
        "tenant create acme --host acme.example --host b.example --path /acme --json",
        "tenant create acme concurrency=8 memory=256MiB --weight 3 --path /acme",
        "tenant list --json",
        "tenant show acme",
        "tenant limits acme concurrency=8 memory=256MiB cpu=none",
        "tenant limits acme --json",
        "tenant limits acme --weight 3 cpu_per_day=1h",
        "tenant claims acme --host b.example --path /b --remove-host a.example --remove-path /a --json",
        "tenant remove acme --force",
        "usage",
        "usage --tenant acme --function f --model acme/m --since 10d --until 2026-11-28T17:00:00Z --by hour --json",
        "usage --by model --csv",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).err().unwrap());
    }
}

#[test]
fn wrong_usage_is_exit_status_2() {
    for line in [
        "",
        "serv",
        "deploy --name",
        "function show",
        "traffic f 1",
        "traffic f --shadow 2",
        "rollback f --to 0",
        "model push f.onnx --name UPPER",
        "invoke",
        "key create",
        "completions",
        "completions tcsh",
        "tenant create acme concurrency",
        "tenant limits acme concurrency",
        "apply",
        "export",
        "import",
        "key rotate k --overlap soon",
        "secret set",
        "secret set UPPER",
        "secret set name value",
    ] {
        assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
    }
}
