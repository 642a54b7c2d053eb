//! Keeps the books: reads every few seconds what was used, and writes down what is new.
//!
//! The data plane only adds to counters. A reading is booked whole or not at all, and what was booked is remembered only once it is: so
//! nothing is counted twice, and a process that is killed loses what it had counted since the last reading.

mod day;
mod report;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use modelet_catalog::{FunctionUse, Usage};
use modelet_inference::{ModelAccount, ModelHandle};
use modelet_spec::{TenantName, UsageCounts, Used, UsedKind};
use modelet_store::{Store, UsageSpan};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

pub(crate) use report::{Whose, report};

use crate::clock::now_ms;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::models::Owned;
use crate::tenants::Book;
use day::Day;

/// How often: what was used within is lost at most.
const EVERY: Duration = Duration::from_secs(2);

/// The books of all tenants.
pub(crate) struct Books {
    usage: Arc<Usage>,
    /// Held as long as a reading is being booked: one at a time.
    writing: Mutex<Written>,
    /// Never held while the disk is asked: whoever is shown what a tenant uses waits here.
    open: Mutex<Open>,
    failed: Counter,
}

/// How far the books are.
struct Written {
    /// When the last reading was, in milliseconds since 1970.
    read_ms: u64,
    /// When what is kept no longer was last looked for.
    trimmed_s: u64,
}

/// What is being counted.
#[derive(Default)]
struct Open {
    accounts: Vec<Account>,
    /// What was used today, as far as it is booked.
    today: Day,
}

/// One counter, and how much of it is in the books.
struct Account {
    used: Used,
    source: Source,
    booked: UsageCounts,
}

enum Source {
    Function(Arc<FunctionUse>),
    Model(ModelAccount),
}

/// What all accounts read at a moment.
struct Readings {
    /// In the order of the accounts.
    accounts: Vec<Reading>,
    /// What is new, for the books.
    new: Vec<(Used, UsageCounts)>,
    /// What will have been used today once that is booked.
    today: Day,
}

/// What has come to an account since it was last booked.
struct Reading {
    all: UsageCounts,
    new: UsageCounts,
    /// Nothing more will come.
    is_last: bool,
}

impl Account {
    fn read(&self) -> Reading {
        // Asked first: whoever lets go has added before.
        let is_last = match &self.source {
            Source::Function(counts) => Arc::strong_count(counts) == 1,
            Source::Model(account) => account.is_closed(),
        };
        let all = match &self.source {
            Source::Function(counts) => counts.read(),
            Source::Model(account) => {
                let totals = account.read();
                let busy_us = u64::try_from(totals.busy.as_micros()).unwrap_or(u64::MAX);
                UsageCounts { runs: totals.runs, rows: totals.rows, busy_us, ..UsageCounts::default() }
            }
        };
        Reading { all, new: all.since(self.booked), is_last }
    }
}

impl Books {
    /// Nothing is being counted yet. What was used today is read, and whoever has used up what it may is known from the start. Blocks.
    pub(crate) fn open(
        usage: Arc<Usage>,
        (store, tenants): (&Store, &Book),
        registry: &mut Registry,
    ) -> Result<Self, ControlError> {
        let failed = Counter::default();
        let help = "Times that what was used could not be written down; it is tried again with the next reading";
        registry.register("modelet_usage_write_failures", help, failed.clone());
        let now_ms = now_ms();
        let today = Day::read(store, now_ms / 1000)?;
        today.set_gates(&usage, tenants);
        let writing = Mutex::new(Written { read_ms: now_ms, trimmed_s: 0 });
        Ok(Self { usage, writing, open: Mutex::new(Open { today, ..Open::default() }), failed })
    }

    /// A tenant's calls of a model will be counted.
    pub(crate) fn open_model(&self, user: &TenantName, (owner, name, _): &Owned, handle: &ModelHandle) {
        let name = if user == owner { name.to_string() } else { format!("{owner}/{name}") };
        let account = |account: ModelAccount| Account {
            used: Used {
                tenant: user.clone(),
                kind: UsedKind::Model,
                name: name.clone(),
                part: account.device.to_string(),
            },
            source: Source::Model(account),
            booked: UsageCounts::default(),
        };
        self.lock().accounts.extend(handle.accounts().into_iter().map(account));
    }

    /// What tenants may use in a day has changed.
    pub(crate) fn set_gates(&self, tenants: &Book) {
        self.lock().today.set_gates(&self.usage, tenants);
    }

    /// What a tenant has used today, as far as it is booked.
    pub(crate) fn today(&self, tenant: &TenantName) -> UsageCounts {
        self.lock().today.of(tenant)
    }

    /// Reads everything and books what is new, in the hour in which the reading before was. Blocks.
    fn write(&self, store: &Store, tenants: &ArcSwap<Book>) -> Result<(), ControlError> {
        let mut written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now_ms();
        let readings = self.read(&tenants.load(), now_ms);
        if !readings.new.is_empty() {
            store.book_usage(written.read_ms / 1000, &readings.new).inspect_err(|_| _ = self.failed.inc())?;
        }
        self.are_booked(readings, &tenants.load());
        written.read_ms = now_ms;
        let hour_s = UsageSpan::Hour.begin(now_ms / 1000);
        if written.trimmed_s != hour_s {
            store.trim_usage(now_ms / 1000)?;
            written.trimmed_s = hour_s;
        }
        Ok(())
    }

    /// Reads everything. What was used is used, whether or not it can be booked: the gates are set by it.
    fn read(&self, tenants: &Book, now_ms: u64) -> Readings {
        let mut open = self.lock();
        let opened = self.usage.take_opened().into_iter().map(|opened| Account {
            used: opened.used,
            source: Source::Function(opened.counts),
            booked: UsageCounts::default(),
        });
        open.accounts.extend(opened);
        let accounts: Vec<Reading> = open.accounts.iter().map(Account::read).collect();
        let with_new = open.accounts.iter().zip(&accounts).filter(|(_, reading)| !reading.new.is_nothing());
        let new: Vec<(Used, UsageCounts)> =
            with_new.map(|(account, reading)| (account.used.clone(), reading.new)).collect();
        let mut today = open.today.clone();
        new.iter().for_each(|(used, counts)| today.add(&used.tenant, *counts));
        today.begin(now_ms / 1000);
        today.set_gates(&self.usage, tenants);
        Readings { accounts, new, today }
    }

    /// What was read is in the books. What has been opened since comes with the next reading.
    fn are_booked(&self, readings: Readings, tenants: &Book) {
        let mut open = self.lock();
        open.today = readings.today;
        // Again: somebody's limits may have been changed since, by what was booked before.
        open.today.set_gates(&self.usage, tenants);
        let mut readings = readings.accounts.into_iter();
        open.accounts.retain_mut(|account| {
            let Some(reading) = readings.next() else { return true };
            account.booked = reading.all;
            !reading.is_last
        });
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// Writes down what was used and is not in the books yet: at the end of a server, when its last requests have ended.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn close_books(self: &Arc<Self>) -> Result<(), ControlError> {
        let control = Arc::clone(self);
        blocking(move || control.books.write(&control.store, &control.tenants)).await
    }
}

/// Keeps the books, as long as the control plane lives.
pub(crate) fn start(control: &Arc<Control>) {
    let weak = Arc::downgrade(control);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(until_next(now_ms())).await;
            let Some(control) = weak.upgrade() else { return };
            if let Err(error) = control.close_books().await {
                tracing::error!(error = %crate::api::respond::with_sources(&error), "what was used could not be written down");
            }
        }
    });
}

/// Until the next reading. One is at each full hour, so that an hour and a day have what was used in them.
fn until_next(now_ms: u64) -> Duration {
    let hour_ms = UsageSpan::Hour.seconds() * 1000;
    EVERY.min(Duration::from_millis(hour_ms - now_ms % hour_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::Version;
    use modelet_store::UsageQuery;

    fn requests(store: &Store) -> Vec<(String, u64)> {
        let query = UsageQuery {
            tenant: None,
            function: None,
            model: None,
            kind: None,
            span: UsageSpan::Day,
            since_s: 0,
            until_s: u64::MAX,
            is_sum: true,
            after: None,
            rows_max: 10,
        };
        let rows = store.usage(&query).unwrap().rows;
        rows.into_iter().map(|row| (row.place.used.name, row.counts.requests)).collect()
    }

    #[test]
    fn what_is_new_is_booked_once_and_who_has_gone_is_forgotten_after_that() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let usage = Arc::<Usage>::default();
        let tenants = ArcSwap::from_pointee(Book::default());
        let books = Books::open(Arc::clone(&usage), (&store, &tenants.load()), &mut Registry::default()).unwrap();
        let write = || books.write(&store, &tenants).unwrap();
        let open = || usage.open(&TenantName::default_tenant(), &"f".parse().unwrap(), Version::FIRST);
        let counts = open();
        counts.request(true);
        write();
        write();
        assert_eq!(requests(&store), [("f".to_owned(), 1)]);
        // The same version anew, while requests of the old one still end.
        let anew = open();
        anew.request(true);
        counts.request(false);
        drop(counts);
        write();
        assert_eq!(requests(&store), [("f".to_owned(), 3)]);
        assert_eq!(books.lock().accounts.len(), 1);
        anew.request(true);
        drop(anew);
        write();
        assert_eq!((requests(&store)[0].1, books.lock().accounts.len()), (4, 0));
        let before = store.accesses();
        write();
        assert_eq!(store.accesses(), before, "where nothing was used, nothing is written");
    }

    #[test]
    fn while_a_reading_is_booked_the_rest_goes_on_and_is_in_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let usage = Arc::<Usage>::default();
        let tenants = ArcSwap::from_pointee(Book::default());
        let books = Books::open(Arc::clone(&usage), (&store, &tenants.load()), &mut Registry::default()).unwrap();
        let tenant = TenantName::default_tenant();
        let open = |name: &str| usage.open(&tenant, &name.parse().unwrap(), Version::FIRST);
        let first = open("f");
        first.request(true);
        let readings = books.read(&tenants.load(), now_ms());
        // The disk is asked now; nobody waits for that.
        assert_eq!(books.today(&tenant).requests, 0, "it is not booked yet");
        let second = open("g");
        first.request(true);
        second.request(true);
        books.set_gates(&tenants.load());
        store.book_usage(now_ms() / 1000, &readings.new).unwrap();
        books.are_booked(readings, &tenants.load());
        assert_eq!(books.today(&tenant).requests, 1);
        books.write(&store, &tenants).unwrap();
        assert_eq!(requests(&store), [("f".to_owned(), 2), ("g".to_owned(), 1)]);
        assert_eq!(books.today(&tenant).requests, 3);
    }

    #[test]
    fn a_reading_is_at_each_full_hour() {
        let hour_ms = 3_600_000;
        assert_eq!(until_next(5 * hour_ms), EVERY);
        assert_eq!(until_next(5 * hour_ms - 700), Duration::from_millis(700));
    }
}
