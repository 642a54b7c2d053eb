//! What a model takes in memory: its file, and each session's part, for as long as that session lives.
//!
//! With an account (`charge_to`) a further session takes its bytes first, or is not made.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use modelet_spec::Device;

use crate::gauge::Part;
use crate::residency::Charge;

/// Bytes of a model in its device's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Its file, which is kept for further sessions, in memory or mapped; 0 on other devices than the CPU.
    pub file: u64,
    /// Its sessions' parts of ONNX Runtime's arena. On other devices than the CPU a guess: the file's size for each.
    pub arena: u64,
    /// How many sessions these are.
    pub sessions: usize,
    /// The first session's part.
    pub first: u64,
    /// What the process grew by while the first session was loaded: to compare, nothing is charged by it.
    pub resident_delta: i64,
    /// Whether nothing else ran or was loaded while the first session was measured.
    pub is_exact: bool,
}

impl Footprint {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.file.saturating_add(self.arena)
    }

    /// What one session takes, on average.
    #[must_use]
    pub fn session(&self) -> u64 {
        if self.sessions == 0 { self.first } else { self.arena / self.sessions as u64 }
    }

    /// What it would take with so many sessions like the first.
    #[must_use]
    pub fn of_sessions(&self, sessions: usize) -> u64 {
        self.file.saturating_add(self.first.saturating_mul(sessions as u64))
    }
}

/// A model's bytes, added up.
pub(crate) struct Account {
    file: u64,
    first: Part,
    arena: AtomicU64,
    sessions: AtomicUsize,
    /// They are on a device's account, too.
    charge: OnceLock<Charge>,
}

/// One session's part of an account; dropping it takes it off.
pub(crate) struct Share {
    account: Arc<Account>,
    bytes: u64,
}

impl Account {
    /// A file with a first session, and that session's share.
    pub(crate) fn open(file: u64, first: Part) -> (Arc<Self>, Share) {
        let (arena, sessions) = (AtomicU64::new(first.arena), AtomicUsize::new(1));
        let account = Arc::new(Self { file, first, arena, sessions, charge: OnceLock::new() });
        let share = Share { account: Arc::clone(&account), bytes: first.arena };
        (account, share)
    }

    pub(crate) fn read(&self) -> Footprint {
        let Part { arena: first, resident_delta, is_exact } = self.first;
        let (arena, sessions) = (self.arena.load(Relaxed), self.sessions.load(Relaxed));
        Footprint { file: self.file, arena, sessions, first, resident_delta, is_exact }
    }

    /// The bytes are on `charge` from now on, which was made for all of them.
    pub(crate) fn charge_to(&self, charge: Charge) {
        // A second account cannot be: a model is put into one slot, once.
        let _ = self.charge.set(charge);
    }

    pub(crate) fn charged(&self) -> u64 {
        self.charge.get().map_or_else(|| self.read().total(), Charge::bytes)
    }

    /// The device whose account they are on.
    pub(crate) fn charged_to(&self) -> Option<Device> {
        self.charge.get().map(Charge::device)
    }

    /// Room for one session more, as the others are; `None`: there is none.
    pub(crate) fn share(self: &Arc<Self>) -> Option<Share> {
        self.add(self.read().session())
    }

    fn add(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        if self.charge.get().is_some_and(|charge| !charge.grow(bytes)) {
            return None;
        }
        self.arena.fetch_add(bytes, Relaxed);
        self.sessions.fetch_add(1, Relaxed);
        Some(Share { account: Arc::clone(self), bytes })
    }
}

impl Share {
    /// Makes it what was measured; `false`: there is no room for that, and the session has to go.
    pub(crate) fn settle(&mut self, part: Part) -> bool {
        let Account { arena, charge, .. } = &*self.account;
        let (was, is) = (self.bytes, part.arena);
        if is > was && charge.get().is_some_and(|charge| !charge.grow(is - was)) {
            return false;
        }
        if let Some(charge) = charge.get().filter(|_| is < was) {
            charge.shrink(was - is);
        }
        arena.fetch_add(is, Relaxed);
        arena.fetch_sub(was, Relaxed);
        self.bytes = is;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Account { arena, sessions, charge, .. } = &*self.account;
        arena.fetch_sub(self.bytes, Relaxed);
        sessions.fetch_sub(1, Relaxed);
        if let Some(charge) = charge.get() {
            charge.shrink(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::residency::Ledger;

    fn part(arena: u64) -> Part {
        Part { arena, ..Part::default() }
    }

    #[test]
    fn sessions_add_up_and_leave() {
        let (account, first) = Account::open(100, part(50));
        assert_eq!((account.read().total(), account.read().session()), (150, 50));
        let mut second = account.share().unwrap();
        assert!(second.settle(part(30)));
        assert_eq!((account.read().total(), account.read().session(), account.read().sessions), (180, 40, 2));
        drop(first);
        assert_eq!((account.read().total(), account.read().of_sessions(2)), (130, 200));
    }

    #[test]
    fn a_further_session_needs_room_before_and_after_its_load() {
        let ledger = Ledger::new(Device::Cpu, 220);
        let (account, first) = Account::open(100, part(50));
        assert_eq!(account.charged_to(), None);
        account.charge_to(ledger.take(150).unwrap());
        assert_eq!(account.charged_to(), Some(Device::Cpu));
        let mut second = account.share().unwrap();
        assert_eq!(ledger.taken(), 200);
        assert!(account.share().is_none(), "50 more are over");
        assert!(!second.settle(part(71)) && second.settle(part(70)));
        assert_eq!((ledger.taken(), account.charged()), (220, 220));
        drop(second);
        assert_eq!(ledger.taken(), 150);
        drop(first);
        assert_eq!(ledger.taken(), 100);
        drop(account);
        assert_eq!(ledger.taken(), 0);
    }
}
