//! Exit statuses, of every command: 0 done, 1 refused or failed with one line on stderr, 2 wrong usage. And listings in JSON.

use modelet_tests::{Function, TestHost, cli, places};
use std::collections::BTreeSet;

/// A command that does what it says with exit status 0, after those above it.
struct Row {
    line: &'static str,
    how: How,
}

#[derive(PartialEq)]
enum How {
    /// Asks a server; fails when nobody listens.
    Asks,
    /// The same, and has `--json`.
    AsksJson,
    /// Works on this machine; the other line fails.
    Local(&'static str),
    /// The same, and has `--json`.
    LocalJson(&'static str),
    /// Ends with 0 only when it is told to stop, or when the machine lacks nothing; the other line fails.
    Stays(&'static str),
    /// Cannot fail.
    Always,
}
use How::{Always, Asks, AsksJson, Local, LocalJson, Stays};

const fn row(line: &'static str, how: How) -> Row {
    Row { line, how }
}

/// `GUEST`, `MODEL` and `FOLDER` are a component, a model's file and a function's folder.
const TABLE: &[Row] = &[
    row("serve", Stays("serve --listen nowhere")),
    row("check", Local("check --config nowhere.toml")),
    row("doctor", Stays("doctor --config nowhere.toml")),
    row("build FOLDER", LocalJson("build nowhere")),
    row("inspect GUEST", LocalJson("inspect nowhere.wasm")),
    row("deploy FOLDER", AsksJson),
    row("invoke /f", Asks),
    row("logs f", AsksJson),
    row("top --interval 100ms --json", AsksJson),
    row("function list", AsksJson),
    row("function show f", AsksJson),
    row("function versions f", AsksJson),
    row("function scale f --min 0", AsksJson),
    row("traffic f", AsksJson),
    row("rollback f --to 1", AsksJson),
    row("restore --at 1ms --dry-run", AsksJson),
    row("model push MODEL --name m", AsksJson),
    row("model list", AsksJson),
    row("model show m", AsksJson),
    row("model versions m", AsksJson),
    row("model label m@1 stable", AsksJson),
    row("model pin m", AsksJson),
    row("model unload m --force", AsksJson),
    row("model optimize m", Asks),
    row("tenant create acme", AsksJson),
    row("usage", AsksJson),
    row("audit", AsksJson),
    row("tenant list", AsksJson),
    row("tenant show acme", AsksJson),
    row("tenant limits acme functions=1", AsksJson),
    row("tenant claims acme --path /acme", AsksJson),
    row("model grant m --to acme", AsksJson),
    row("model revoke m --to acme", AsksJson),
    row("key create --scope read", AsksJson),
    row("key list", AsksJson),
    row("key rotate KEY", AsksJson),
    row("key revoke KEY", AsksJson),
    row("secret set s --file FILE", AsksJson),
    row("secret list", AsksJson),
    row("secret rekey", AsksJson),
    row("secret remove s", AsksJson),
    row("export all.tar", AsksJson),
    row("import all.tar --dry-run", AsksJson),
    row("apply FOLDER", AsksJson),
    row("function remove f --force", AsksJson),
    row("model remove m", AsksJson),
    row("tenant remove acme", AsksJson),
    row("completions bash", Always),
    row("man", Local("man /dev/null/pages")),
];

/// All commands that `--help` tells of.
fn commands(of: &[&str]) -> BTreeSet<String> {
    let help = cli::run_in(std::path::Path::new("/"), of.iter().chain(&["--help"])).done();
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut all = BTreeSet::new();
    for name in names {
        let path: Vec<&str> = of.iter().copied().chain([name]).collect();
        let inner = commands(&path);
        match inner.is_empty() {
            true => all.extend([path.join(" ")]),
            false => all.extend(inner),
        }
    }
    all
}

/// The command of a line: all words that are names of commands.
fn command(line: &str, all: &BTreeSet<String>) -> String {
    let named = all.iter().filter(|name| line == *name || line.starts_with(&format!("{name} ")));
    named.max_by_key(|name| name.len()).unwrap_or_else(|| panic!("{line} is no command")).clone()
}

#[test]
fn every_command_ends_with_0_1_or_2_as_it_should() {
    let all = commands(&[]);
    let tabled: BTreeSet<String> = TABLE.iter().map(|row| command(row.line, &all)).collect();
    assert_eq!(tabled, all, "each command has a row");
    assert_eq!(tabled.len(), TABLE.len(), "a command has two rows");

    let host = TestHost::start();
    let folder = host.scratch().join("folder");
    Function::guest("hello").named("f").lay(&folder);
    host.deploy(&Function::guest("hello").named("f"));
    let key = host.modelet(["key", "create", "--scope", "read", "--json"]).json();
    let fill = |line: &str| -> Vec<String> {
        let filled = [
            ("FOLDER", folder.display().to_string()),
            ("FILE", folder.join("function.toml").display().to_string()),
            ("GUEST", places::guest("hello").display().to_string()),
            ("MODEL", places::model("digits").display().to_string()),
            ("KEY", key["key"]["id"].as_str().unwrap().to_owned()),
        ];
        let word = |word: &str| {
            let found = filled.iter().find(|(name, _)| *name == word);
            found.map_or_else(|| word.to_owned(), |(_, value)| value.clone())
        };
        line.split_whitespace().map(word).collect()
    };
    let run =
        |line: &str, more: &[&str]| host.modelet(fill(line).iter().map(String::as_str).chain(more.iter().copied()));
    for Row { line, how } in TABLE {
        let wrong = run(line, &["--no-such-option"]);
        assert_eq!((wrong.status, wrong.stdout.as_str()), (Some(2), ""), "{line}: {wrong:?}");
        match how {
            Asks | AsksJson => {
                let said = run(line, &["--url", "http://127.0.0.1:1"]).refused();
                assert!(said.starts_with("error: ") && said.contains("127.0.0.1:1"), "{line}: {said}");
            }
            Local(fails) | LocalJson(fails) | Stays(fails) => {
                let ran = run(fails, &[]);
                assert_eq!(ran.status, Some(1), "{fails}: {ran:?}");
                assert!(!ran.stderr.is_empty(), "{fails}: {ran:?}");
            }
            Always => {}
        }
        let has_json = matches!(how, AsksJson | LocalJson(_));
        match how {
            Stays(_) => {}
            _ if has_json && !line.ends_with("--json") => drop(run(line, &["--json"]).json()),
            _ if has_json => drop(run(line, &[]).json()),
            _ => drop(run(line, &[]).done()),
        }
    }
    host.stop();
}
