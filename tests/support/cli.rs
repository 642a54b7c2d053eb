//! The `modelet` command, as a person runs it.

use crate::places;
use crate::wait::{self, BOUND};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit status; `None` for one that a signal ended.
    pub status: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Ran {
    /// Checks that the command ended with 0, and returns its stdout.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// Checks that the command printed JSON and nothing else, and returns it.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn json(self) -> Value {
        assert_eq!(self.stderr, "", "a listing in JSON is quiet");
        let text = self.done();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Checks that the command was refused: status 1, nothing on stdout, one clear line on stderr, which is returned.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "one line: {self:?}");
        self.stderr.trim_end().to_owned()
    }
}

/// The command, free of what the caller's environment says of another server.
#[must_use]
pub fn modelet() -> Command {
    let mut command = Command::new(places::modelet());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MODELET_") {
            command.env_remove(name);
        }
    }
    command
}

/// Starts a server on a data directory that it has to refuse; the line that it ends with.
///
/// # Panics
/// When it goes on to run, or says more or less than that.
#[track_caller]
pub fn refused_start(data: &Path) -> String {
    let mut serve = modelet();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    let mut server = serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if wait::within(BOUND, || server.try_wait().unwrap()).is_none() {
        server.kill().unwrap();
        panic!("it runs: {:?}", ended(server.wait_with_output().unwrap()));
    }
    ended(server.wait_with_output().unwrap()).refused()
}

/// Runs `modelet ARGUMENTS` in a folder.
pub fn run_in(folder: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    ran(modelet().args(arguments).current_dir(folder))
}

/// Runs a command to its end, with `input` on its stdin.
///
/// # Panics
/// When it cannot be started.
pub fn fed(command: &mut Command, input: &[u8]) -> Ran {
    // In a file: a command that does not read it all does not hang.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).and_then(|()| file.rewind()).unwrap();
    ran(command.stdin(file))
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub fn ran(command: &mut Command) -> Ran {
    ended(command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

fn ended(Output { status, stdout, stderr }: Output) -> Ran {
    Ran {
        status: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
