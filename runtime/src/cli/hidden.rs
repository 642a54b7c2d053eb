//! What is typed and not shown: values of secrets, and passphrases.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Ctrl-C.
const INTERRUPT: char = '\x03';

/// Asks for a line on the terminal.
pub(crate) fn ask(what: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Before anybody is told to type.
    let _hidden = Hidden::begin();
    let _ = write!(std::io::stderr(), "{what} (not shown; Enter ends it): ");
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    let _ = writeln!(std::io::stderr());
    if line.contains(INTERRUPT) {
        bail!("interrupted: nothing is done");
    }
    let mut typed = Zeroizing::new(line.as_bytes().to_vec());
    without_line_end(&mut typed);
    Ok(typed)
}

/// Takes away what `echo` and an editor put at the end, and nobody means.
pub(crate) fn without_line_end(value: &mut Vec<u8>) {
    for end in *b"\n\r" {
        if value.last() == Some(&end) {
            value.pop();
        }
    }
}

/// Whether somebody could be asked.
pub(crate) fn is_anybody_there() -> bool {
    std::io::stdin().is_terminal()
}

/// A passphrase: from a file, without the end of its last line, or typed; a new one twice.
pub(crate) fn passphrase(file: Option<&Path>, is_new: bool) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let passphrase = match file {
        Some(file) => {
            let read = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let mut read = Zeroizing::new(read);
            without_line_end(&mut read);
            read
        }
        None if !is_anybody_there() => {
            bail!("there is no terminal to ask for the passphrase at: name a file that has it, by --passphrase-file")
        }
        None => {
            let typed = ask("passphrase of the archive")?;
            if is_new && *ask("the same again")? != *typed {
                bail!("these were two: nothing is done");
            }
            typed
        }
    };
    if passphrase.is_empty() {
        bail!("the passphrase is empty");
    }
    Ok(passphrase)
}

/// What is typed is not shown, as long as it lives.
struct Hidden(Option<Termios>);

impl Hidden {
    fn begin() -> Self {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(mut silent) = before.clone() {
            // A signal would leave the terminal silent: Ctrl-C ends the line instead.
            silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
            silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT as u8;
            // A terminal that does not take it shows what is typed: no reason to take nothing.
            let _ = tcsetattr(&stdin, OptionalActions::Flush, &silent);
        }
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}
