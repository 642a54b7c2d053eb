//! Has a table that `init` makes: `?n=N` answers `VALUE, prepared TIMES, request COUNT`, with entry N, how often `init` has run and how
//! many requests this instance has had. Making the table takes a while.
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use modelet_sdk::{Error, Request, Response, handler, init};
use modelet_test_guests::size;

handler!(table);
init!(fn prepare);

const LEN: usize = 100_000;
const ROUNDS: u64 = 400;

static PREPARED: AtomicU32 = AtomicU32::new(0);
static REQUESTS: AtomicU32 = AtomicU32::new(0);

static TABLE: LazyLock<Vec<u64>> = LazyLock::new(|| (0..LEN as u64).map(entry).collect());

/// Xorshift, so many times.
fn entry(n: u64) -> u64 {
    (0..ROUNDS).fold(n + 1, |x, _| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        x ^ (x << 17)
    })
}

fn prepare() {
    LazyLock::force(&TABLE);
    PREPARED.fetch_add(1, Ordering::Relaxed);
}

fn table(request: Request) -> Result<Response, Error> {
    let n = size(&request, "n", 0)?;
    let value = TABLE.get(n).ok_or_else(|| Error::bad_request("no such entry"))?;
    let (prepared, count) = (PREPARED.load(Ordering::Relaxed), REQUESTS.fetch_add(1, Ordering::Relaxed) + 1);
    Ok(Response::text(format!("{value}, prepared {prepared}, request {count}\n")))
}
