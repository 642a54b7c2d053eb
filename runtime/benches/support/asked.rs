//! A child that answers questions: a line of JSON for a line of JSON. It is this very program, started again.
//!
//! What is measured has a process of its own, so that its memory, its threads and its cores are its own.

use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::child::{Cores, pinned};

/// The asking end. Dropping it ends the child.
pub(crate) struct Asked<Q, A> {
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
    talk: PhantomData<fn(Q) -> A>,
}

impl<Q: Serialize, A: DeserializeOwned> Asked<Q, A> {
    /// Starts this program with `arguments`, which must lead it into [`answer`] with the same `Q` and `A`.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start(arguments: &[&str], cores: Cores) -> Result<Self> {
        let mut command = pinned(&std::env::current_exe()?, arguments, cores);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ask = child.stdin.take().context("its stdin")?;
        let told = BufReader::new(child.stdout.take().context("its stdout")?);
        Ok(Self { child, ask, told, talk: PhantomData })
    }

    /// One question.
    ///
    /// # Errors
    /// What the child says went wrong, or that it has ended.
    pub(crate) fn ask(&mut self, question: &Q) -> Result<A> {
        writeln!(self.ask, "{}", serde_json::to_string(question)?)?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        let told: Result<A, String> = serde_json::from_str(&line).with_context(|| format!("a child said {line:?}"))?;
        told.map_err(|why| anyhow!(why))
    }
}

impl<Q, A> Drop for Asked<Q, A> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answering end: answers until stdin ends.
///
/// # Errors
/// When a question is none.
pub(crate) fn answer<Q: DeserializeOwned, A: Serialize>(mut answer: impl FnMut(Q) -> Result<A>) -> Result<()> {
    for line in std::io::stdin().lines() {
        let told = answer(serde_json::from_str(&line?)?).map_err(|error| format!("{error:#}"));
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&told)?)?;
    }
    Ok(())
}
