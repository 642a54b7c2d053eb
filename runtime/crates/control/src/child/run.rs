//! Starting a process, and waiting for its answer or its end.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::de::DeserializeOwned;

use super::death::Death;
use super::limits::ChildConfig;

/// More than any answer has: names of ports, operators and metadata, which admission limits.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// What is kept of what the process writes to stderr: the end tells most.
const LAST_WORDS_BYTES: usize = 4096;

/// A process that works for us. It ends when this is dropped.
pub(crate) struct Running {
    child: Mutex<Child>,
    config: ChildConfig,
}

/// Starts the binary with this command. The process ends with the thread that starts it (that is how it ends with the server), so
/// that thread has to live until there is an answer.
pub(crate) fn start(config: &ChildConfig, command: &str) -> io::Result<Running> {
    let mut process = Command::new(&config.exe);
    process.arg(command).env_clear().current_dir("/");
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(Running { child: Mutex::new(process.spawn()?), config: config.clone() })
}

impl Running {
    /// Kills it; one that has ended is left alone.
    pub(crate) fn end(&self) {
        // It has ended, or ends now: there is nothing else to do about it.
        let _ = self.lock().kill();
    }

    /// Tells it what to do and blocks until it has answered or ended.
    pub(crate) fn answer<A: DeserializeOwned>(&self, job: Vec<u8>) -> Result<A, Death> {
        let (stdin, stdout, stderr) = {
            let mut child = self.lock();
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        };
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(Death::Unknown("it has no way to answer".to_owned()));
        };
        // Threads of their own, so that a process that neither reads nor writes cannot hold this one. They end with its pipes.
        thread::spawn(move || stdin.write_all(&job));
        let last_words = thread::spawn(move || last_bytes(stderr));
        let (answer, ended) = self.wait(stdout);
        // Its stdout is closed, so it has ended or says nothing more: one that lives on has no reason to.
        let status = {
            let mut child = self.lock();
            let _ = child.kill();
            child.wait()
        };
        if ended.is_none()
            && let Ok(answer) = serde_json::from_slice(&answer)
        {
            return Ok(answer);
        }
        let words = last_words.join().unwrap_or_default();
        tracing::warn!(%words, "a process ended without an answer");
        Err(match (ended, status) {
            (Some(ended), _) => ended,
            (None, Ok(status)) => Death::of(status, &words, &self.config.limits),
            (None, Err(error)) => Death::Unknown(error.to_string()),
        })
    }

    /// What it wrote, and why it is to be ended if it is.
    fn wait(&self, stdout: impl Read + Send + 'static) -> (Vec<u8>, Option<Death>) {
        let (sender, answered) = mpsc::channel();
        thread::spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer);
            // Nobody listens any more once the time is over.
            let _ = sender.send(read.map(|_| answer));
        });
        let time = self.config.time;
        match answered.recv_timeout(time) {
            Ok(Ok(answer)) if answer.len() as u64 > ANSWER_BYTES_MAX => (Vec::new(), Some(Death::Output)),
            Ok(answer) => (answer.unwrap_or_default(), None),
            Err(RecvTimeoutError::Timeout) => (Vec::new(), Some(Death::Time(time))),
            Err(RecvTimeoutError::Disconnected) => (Vec::new(), None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let _ = self.lock().wait();
    }
}

/// Reads to the end and keeps the last bytes.
fn last_bytes(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut piece = [0_u8; LAST_WORDS_BYTES];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        kept.extend(piece.iter().take(count));
        let spare = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..spare);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}
