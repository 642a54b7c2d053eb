//! A real server: `modelet serve` on free ports and a data directory of its own.

use crate::cli::{self, Ran};
use crate::client::{self, Answer};
use crate::function::Function;
use crate::places;
use crate::process;
use crate::wait::{self, BOUND};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use tempfile::TempDir;

/// Runs the server, and ends it when this script's stdin closes: a test that dies, however it dies, leaves no server behind.
/// `SCRATCH` is removed then, for a server whose `TestHost` is never dropped.
const KEEPER: &str = r#"
exec 3<&0
"$0" "$@" </dev/null 3<&- &
server=$!
{ cat >/dev/null; kill -TERM $server 2>/dev/null; } <&3 &
wait $server
status=$?
[ -z "$SCRATCH" ] || rm -rf -- "$SCRATCH"
exit $status
"#;

/// A running server. Dropping it stops it; [`TestHost::stop`] also checks how it ended.
#[derive(Debug)]
pub struct TestHost {
    keeper: Child,
    scratch: PathBuf,
    _owner: Owner,
    config: Option<PathBuf>,
    deployed: Mutex<BTreeSet<String>>,
    /// `http://HOST:PORT` of the routes.
    pub data_url: String,
    /// `http://HOST:PORT` of the administration.
    pub admin_url: String,
    /// The server's process.
    pub pid: u32,
}

/// Who removes a server's folder.
#[derive(Debug)]
enum Owner {
    /// Its `TestHost`, when that is dropped.
    Host(#[expect(dead_code, reason = "it is there to be dropped")] TempDir),
    /// The keeper, when the server has ended.
    Keeper,
    /// Whoever made it.
    Caller,
}

/// The server that tests with no wish of their own share, as long as they are in one process.
#[must_use]
pub fn shared() -> &'static TestHost {
    static SHARED: OnceLock<TestHost> = OnceLock::new();
    SHARED.get_or_init(|| {
        // Nothing drops a static: the keeper removes this folder.
        let scratch = tempfile::tempdir().unwrap().keep();
        TestHost::launch(scratch, Owner::Keeper, None, true)
    })
}

impl TestHost {
    /// A server with the default configuration.
    #[must_use]
    pub fn start() -> Self {
        Self::configured("")
    }

    /// A server with this `modelet.toml`.
    ///
    /// # Panics
    /// When it does not come up; the message has its log.
    #[must_use]
    pub fn configured(config: &str) -> Self {
        Self::with_config(config, true)
    }

    /// A server with this `modelet.toml` that listens, whether or not it is ready for work.
    ///
    /// # Panics
    /// When it does not come up; the message has its log.
    #[must_use]
    pub fn starting(config: &str) -> Self {
        Self::with_config(config, false)
    }

    /// A server in a folder of the caller's, which goes on to be the caller's: `data` in it is the data directory.
    ///
    /// # Panics
    /// When it does not come up; the message has its log.
    #[must_use]
    pub fn in_folder(folder: &Path, config: &str) -> Self {
        let file = configuration(folder, config);
        Self::launch(folder.to_owned(), Owner::Caller, Some(file), true)
    }

    fn with_config(config: &str, ready: bool) -> Self {
        let owned = tempfile::tempdir().unwrap();
        let file = configuration(owned.path(), config);
        Self::launch(owned.path().to_owned(), Owner::Host(owned), Some(file), ready)
    }

    fn launch(scratch: PathBuf, owner: Owner, config: Option<PathBuf>, ready: bool) -> Self {
        let keeper = keep(&scratch, matches!(owner, Owner::Keeper), config.as_deref());
        let mut host = Self {
            keeper,
            scratch,
            _owner: owner,
            config,
            deployed: Mutex::default(),
            data_url: String::new(),
            admin_url: String::new(),
            pid: 0,
        };
        host.await_ready(ready);
        host
    }

    fn await_ready(&mut self, ready: bool) {
        let up = wait::within(BOUND, || {
            let ended = self.keeper.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at once ({ended:?}):\n{}", self.log());
            let text = fs::read_to_string(self.data_dir().join("server.json")).ok()?;
            let says: Value = serde_json::from_str(&text).ok()?;
            let url = |name: &str| says[name].as_str().map(str::to_owned);
            (self.data_url, self.admin_url) = (url("data_url")?, url("admin_url")?);
            self.pid = u32::try_from(says["pid"].as_u64()?).ok()?;
            // A file that an earlier server left behind names one that has gone.
            let alive = process::is_alive(self.pid);
            let answer = alive.then(|| client::send("GET", &format!("{}/readyz", self.admin_url), &[], b""))?;
            let status = answer.ok()?.status;
            (status == 200 || !ready).then_some(())
        });
        assert!(up.is_some(), "the server was not ready after {} s:\n{}", BOUND.as_secs(), self.log());
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.scratch.join("data")
    }

    /// A folder for the test's own files; it goes with the server.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// All that the server has written to stdout and stderr so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.scratch.join("server.log")).unwrap_or_default()).into_owned()
    }

    /// Waits until the log has all of `words` on one line or in the lines that follow it, and returns the log from there.
    #[must_use]
    #[track_caller]
    pub fn logged(&self, words: &[&str]) -> String {
        let found = wait::within(BOUND, || {
            let log = self.log();
            let start = log.find(words[0])?;
            words.iter().all(|word| log[start..].contains(word)).then(|| log[start..].to_owned())
        });
        found.unwrap_or_else(|| panic!("the log has no {words:?}:\n{}", self.log()))
    }

    /// Runs `modelet ARGUMENTS --data-dir …` against this server.
    pub fn modelet(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        cli::ran(cli::modelet().args(arguments).arg("--data-dir").arg(self.data_dir()).current_dir(&self.scratch))
    }

    /// The same with `input` on the command's stdin.
    pub fn modelet_fed(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Ran {
        let mut command = cli::modelet();
        command.args(arguments).arg("--data-dir").arg(self.data_dir()).current_dir(&self.scratch);
        cli::fed(&mut command, input)
    }

    /// Tries to deploy a function from a folder, by the command line.
    pub fn try_deploy(&self, function: &Function) -> Ran {
        let folder = tempfile::tempdir_in(&self.scratch).unwrap();
        function.lay(folder.path());
        self.modelet([OsStr::new("deploy"), folder.path().as_os_str()])
    }

    /// Deploys a function.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn deploy(&self, function: &Function) {
        self.try_deploy(function).done();
    }

    /// Deploys a function, unless an earlier call on this server did; returns its default route.
    #[track_caller]
    pub fn once(&self, function: &Function) -> String {
        let mut deployed = self.deployed.lock().unwrap_or_else(PoisonError::into_inner);
        if deployed.insert(function.name().to_owned()) {
            self.deploy(function);
        }
        format!("/{}", function.name())
    }

    /// [`TestHost::once`] for a guest that needs nothing more.
    #[track_caller]
    pub fn guest(&self, name: &str) -> String {
        self.once(&Function::guest(name))
    }

    /// GET on the data plane.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// POST on the data plane.
    #[track_caller]
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], body)
    }

    /// Any request on the data plane.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = format!("{}{path}", self.data_url);
        client::send(method, &url, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Asks the server to stop and checks that it leaves with status 0 and has not panicked.
    ///
    /// # Panics
    /// When it did.
    #[track_caller]
    pub fn stop(mut self) {
        self.halt();
    }

    /// Stops the server as [`TestHost::stop`] does, and starts another on the same data directory.
    #[track_caller]
    pub fn restart(&mut self) {
        self.halt();
        self.start_again();
    }

    /// Kills the server without a word, and starts another on the same data directory.
    #[track_caller]
    pub fn kill_and_restart(&mut self) {
        process::signal(self.pid, "KILL");
        self.after_kill();
    }

    /// Starts another server on the data directory of one that was killed.
    ///
    /// # Panics
    /// When the server ended in another way.
    #[track_caller]
    pub fn after_kill(&mut self) {
        let status = self.end();
        assert_eq!(status.code(), Some(128 + 9), "{}", self.log());
        self.start_again();
    }

    /// Writes another `modelet.toml` for the next start.
    ///
    /// # Panics
    /// When the server was started without one.
    pub fn reconfigure(&self, config: &str) {
        fs::write(self.config.as_ref().expect("a configuration"), config).unwrap();
    }

    /// Starts a server again after [`TestHost::halt`].
    pub fn start_again(&mut self) {
        self.keeper = keep(&self.scratch, false, self.config.as_deref());
        self.await_ready(true);
    }

    /// Stops the server as [`TestHost::stop`] does, and keeps its data.
    ///
    /// # Panics
    /// When the server panicked, or left with another status than 0.
    #[track_caller]
    pub fn halt(&mut self) {
        process::signal(self.pid, "TERM");
        self.left();
    }

    /// Waits for a server that was told to stop, and checks how it ended.
    ///
    /// # Panics
    /// When the server panicked, or left with another status than 0.
    #[track_caller]
    pub fn left(&mut self) {
        let status = self.end();
        let log = self.log();
        assert!(status.success(), "the server left with {status}:\n{log}");
        // Of a guest's panic the log tells in a line of its own making; this is how Rust tells of one in the server itself.
        let panicked = log.lines().any(|line| line.starts_with("thread '") && line.contains("panicked at"));
        assert!(!panicked, "the server panicked:\n{log}");
    }

    /// Waits for the server's end.
    fn end(&mut self) -> ExitStatus {
        let ended = wait::within(BOUND, || self.keeper.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("the server does not leave:\n{}", self.log()))
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        // The keeper sees the end of its stdin and stops the server, if it still runs.
        drop(self.keeper.stdin.take());
        if wait::within(BOUND, || self.keeper.try_wait().unwrap()).is_none() {
            process::signal(self.pid, "KILL");
            let _ = self.keeper.wait();
        }
    }
}

fn configuration(folder: &Path, config: &str) -> PathBuf {
    let file = folder.join("modelet.toml");
    fs::write(&file, config).unwrap();
    file
}

fn keep(scratch: &Path, remove: bool, config: Option<&Path>) -> Child {
    let log = File::options().create(true).append(true).open(scratch.join("server.log")).unwrap();
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER]).arg(places::modelet()).arg("serve").arg("--data-dir").arg(scratch.join("data"));
    keeper.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    if let Some(config) = config {
        keeper.arg("--config").arg(config);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MODELET_")) {
        keeper.env_remove(name);
    }
    keeper.env("SCRATCH", if remove { scratch.as_os_str() } else { OsStr::new("") });
    keeper.current_dir(scratch).stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
    keeper.spawn().unwrap()
}
