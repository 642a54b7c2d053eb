//! Completions of shells and manual pages.

use modelet_tests::cli;
use std::fs;
use std::process::Command;

/// What a word of the command line is completed to, by bash.
fn completed(script: &str, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let (word, before) = (words[last], words[last - 1]);
    let ask = format!(
        "source {script}; COMP_WORDS=({}); COMP_CWORD={last}; _modelet modelet '{word}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    );
    let said = cli::ran(Command::new("bash").args(["--norc", "-c", &ask])).done();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options_and_each_shell_has_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let print = |shell: &str| cli::run_in(folder.path(), ["completions", shell]);
    for shell in ["bash", "zsh", "fish"] {
        let script = print(shell).done();
        assert!(script.contains("rollback") && script.contains("dry-run"), "{shell}");
    }
    assert_eq!(print("tcsh").status, Some(2));
    let file = folder.path().join("modelet.bash");
    fs::write(&file, print("bash").done()).unwrap();
    let script = file.display().to_string();
    assert_eq!(cli::ran(Command::new("bash").args(["-n", &script])).done(), "");
    assert_eq!(completed(&script, &["modelet", "rollb"]), ["rollback"]);
    assert_eq!(completed(&script, &["modelet", "function", "vers"]), ["versions"]);
    assert_eq!(completed(&script, &["modelet", "import", "--dry"]), ["--dry-run"]);
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let said = cli::run_in(folder.path(), ["man", "pages"]).done();
    assert!(said.contains("manual pages"), "{said}");
    for name in ["modelet", "modelet-deploy", "modelet-model-push", "modelet-apply"] {
        let page = fs::read_to_string(folder.path().join(format!("pages/{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH"), "{name}: {page}");
    }
    assert!(!folder.path().join("pages/modelet-trial.1").exists(), "what is hidden has none");
    let one = cli::run_in(folder.path(), ["man"]).done();
    assert!(one.contains(".TH modelet"), "{one}");
}
