//! How many primes are below a number, from a table that each instance has when it begins: `GET /primes?below=1000`.
use std::sync::LazyLock;

use modelet_sdk::{Error, Request, Response, handler, init};

handler!(primes);
init!(PRIMES);

const MAX: usize = 1_000_000;

static PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut is_prime = vec![true; MAX];
    let mut primes = Vec::new();
    for n in 2..MAX {
        if is_prime.get(n) == Some(&true) {
            primes.extend(u32::try_from(n));
            is_prime.iter_mut().skip(n * 2).step_by(n).for_each(|is| *is = false);
        }
    }
    primes
});

fn primes(request: Request) -> Result<Response, Error> {
    let below = request.param("below").and_then(|text| text.parse::<u32>().ok());
    let below =
        below.filter(|below| *below as usize <= MAX).ok_or_else(|| Error::bad_request("below? at most 1000000"))?;
    let count = PRIMES.partition_point(|prime| *prime < below);
    Ok(Response::text(format!("{count}\n")))
}
