//! A running `modelet serve` that this program started.

use crate::failure::{Failure, While};
use crate::http::{json_field, status};
use crate::places::Places;
use crate::process;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A cold debug build of the server is up within a second or two; a loaded machine gets its time.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// The server drains for at most 30 s.
const LEAVE_LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// The server, its addresses and its log; it is stopped when this value goes.
#[derive(Debug)]
pub(crate) struct Server {
    child: Option<Child>,
    /// `http://HOST:PORT` of the routes.
    pub(crate) data_url: String,
    /// `http://HOST:PORT` of the administration.
    pub(crate) admin_url: String,
    log: PathBuf,
}

impl Server {
    /// Starts the server on `data_dir` with `arguments` more, its output in `log`, and waits until it is ready.
    pub(crate) fn start(places: &Places, data_dir: &Path, log: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        let output = File::create(log).or_fail(|| log.display().to_string())?;
        let errors = output.try_clone().or_fail(|| log.display().to_string())?;
        let mut command = Command::new(places.modelet());
        command.arg("serve").arg("--data-dir").arg(data_dir).args(arguments);
        command.current_dir(&places.root).stdin(Stdio::null()).stdout(output).stderr(errors);
        // In a group of its own: the terminal's Ctrl-C is for this program, which then tells the server.
        let child =
            command.process_group(0).spawn().or_fail(|| format!("`{}` did not start", process::line(&command)))?;
        let mut server =
            Self { child: Some(child), data_url: String::new(), admin_url: String::new(), log: log.to_path_buf() };
        server.wait_until_ready(&data_dir.join("server.json"))?;
        Ok(server)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Lets it run on after this program has ended.
    pub(crate) fn leave_running(mut self) {
        self.child = None;
    }

    /// Asks it to stop and checks that it leaves with status 0.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        terminate(&child)?;
        match process::wait_within(&mut child, LEAVE_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failed(&format!("the server left with {status}"))),
            None => {
                self.child = Some(child);
                Err(self.failed(&format!("the server still runs {} s after SIGTERM", LEAVE_LIMIT.as_secs())))
            }
        }
    }

    fn wait_until_ready(&mut self, announcement: &Path) -> Result<(), Failure> {
        let until = Instant::now() + READY_LIMIT;
        loop {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                self.child = None;
                return Err(self.failed(&format!("the server ended at once ({status})")));
            }
            if self.read_announcement(announcement).is_some() && status(&self.admin_url, "/readyz") == Some(200) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(self.failed(&format!("the server was not ready after {} s", READY_LIMIT.as_secs())));
            }
            thread::sleep(POLL);
        }
    }

    /// What the server says of itself; a file that an earlier one left names another process.
    fn read_announcement(&mut self, path: &Path) -> Option<()> {
        let text = fs::read_to_string(path).ok()?;
        let pid: u32 = json_field(&text, "pid")?.parse().ok()?;
        if self.pid() != Some(pid) {
            return None;
        }
        self.data_url = json_field(&text, "data_url")?.to_owned();
        self.admin_url = json_field(&text, "admin_url")?.to_owned();
        Some(())
    }

    /// A failure with the end of the server's log.
    fn failed(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last: String =
            lines.iter().skip(lines.len().saturating_sub(20)).map(|line| format!("\n    {line}")).collect();
        Failure::new(format!("{what}; its last words:{last}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = self.child.as_mut() else {
            return;
        };
        // Reached only on the way out of a failure, which is what the person hears about.
        let _ = terminate(child);
        if !matches!(process::wait_within(child, Duration::from_secs(5)), Ok(Some(_))) {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

/// SIGTERM, which the standard library cannot send.
fn terminate(child: &Child) -> Result<(), Failure> {
    process::quietly(Command::new("kill").args(["-TERM", &child.id().to_string()])).map(drop)
}
