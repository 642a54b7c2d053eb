//! The servers that are measured: child processes on one core, the load generator on the other.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Which cores a child may use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cores {
    /// The servers' core; they take turns. The load generator has the other.
    One,
    /// All that there are: nothing else is measured meanwhile.
    All,
}

/// The core of this process.
const OWN_CORE: &str = "1";
/// A server that has not said where it listens by then has failed.
const START: Duration = Duration::from_secs(60);

/// How often a server that was asked to end is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program on the servers' core and waits for it to say where it listens: a line, on stdout or stderr, that
    /// holds `listening` and then its address.
    ///
    /// # Errors
    /// When it does not start, or ends or stays silent instead of listening.
    pub(crate) fn start(program: &Path, arguments: &[&str], listening: &str) -> Result<Self> {
        Self::start_in(&[], program, arguments, listening)
    }

    /// The same with these variables.
    ///
    /// # Errors
    /// Those of [`Server::start`].
    pub(crate) fn start_in(
        variables: &[(&str, &str)],
        program: &Path,
        arguments: &[&str],
        listening: &str,
    ) -> Result<Self> {
        Self::start_on(Cores::One, variables, program, arguments, listening)
    }

    /// The same on these cores.
    ///
    /// # Errors
    /// Those of [`Server::start`].
    pub(crate) fn start_on(
        cores: Cores,
        variables: &[(&str, &str)],
        program: &Path,
        arguments: &[&str],
        listening: &str,
    ) -> Result<Self> {
        let mut command = pinned(program, arguments, cores);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().context("its stdout")?;
        let stderr = child.stderr.take().context("its stderr")?;
        watch(stdout, sender.clone());
        watch(stderr, sender);
        match wait_for_address(&lines, listening) {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                stop(&mut child);
                Err(error.context(format!("starting {} {}", program.display(), arguments.join(" "))))
            }
        }
    }

    /// CPU time that all its threads have had. Threads that have ended do not count: the servers keep theirs.
    ///
    /// # Errors
    /// Where the system does not tell (`/proc/PID/task/*/schedstat`).
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Its memory that is in RAM, in bytes, files that are mapped included.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(crate) fn memory(&self) -> Result<u64> {
        memory_and_maps(&self.child.id().to_string())
    }

    /// How many descriptors it has open.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Asks it to end, as an operator would, and waits for that.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let until = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < until, "it still runs a minute after SIGTERM");
            thread::sleep(POLL);
        }
    }

    /// Kills it, whatever it is doing.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub(crate) fn kill(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::KILL)?)
    }

    /// Ends it, and waits until it has gone.
    pub(crate) fn stop(&mut self) {
        stop(&mut self.child);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

impl Cores {
    fn list(self) -> &'static str {
        match self {
            Self::One => "0",
            // The kernel takes those that there are.
            Self::All => "0-1023",
        }
    }
}

/// A command on these cores, without the variables that make errors slow.
pub(crate) fn pinned(program: &Path, arguments: &[&str], cores: Cores) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores.list()]).arg(program).args(arguments);
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Puts this process on its own core, and says so when it cannot.
pub(crate) fn pin_self() {
    let own = std::process::id().to_string();
    let arguments = ["--all-tasks", "--cpu-list", "--pid", OWN_CORE, &own];
    let done = Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!("bench: the load generator is not pinned (`taskset` and two cores are needed): expect more noise");
    }
}

/// Memory of a process (`self` is this one) that is its own and in RAM, in bytes: without what a file backs.
///
/// # Errors
/// Where the system does not tell.
pub(crate) fn memory(process: &str) -> Result<u64> {
    status(process, "RssAnon:")
}

/// The same with what files back: a mapped file counts once, however many use the map.
///
/// # Errors
/// Where the system does not tell.
pub(crate) fn memory_and_maps(process: &str) -> Result<u64> {
    status(process, "VmRSS:")
}

fn status(process: &str, key: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes << 10)
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Hands its lines on, and goes on reading after nobody wants them so that the child never waits for a full pipe.
fn watch(stream: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

fn wait_for_address(lines: &mpsc::Receiver<String>, listening: &str) -> Result<SocketAddr> {
    let mut said = Vec::new();
    loop {
        let line =
            lines.recv_timeout(START).map_err(|_| anyhow!("it does not listen; it said: {}", said.join(" | ")))?;
        if let Some((_, address)) = line.split_once(listening) {
            return address.trim().trim_end_matches('/').parse().with_context(|| format!("the address in {line:?}"));
        }
        said.push(line);
    }
}
