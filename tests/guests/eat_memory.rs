//! Takes memory by the MiB and writes to all of it until it gets no more. Then it aborts, as Rust does; with `gently=1` it
//! answers `{"mib": got}` instead. `mib` stops it earlier.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(eat);

fn eat(request: Request) -> Result<Response, Error> {
    let gently = number(&request, "gently", 0)? == 1;
    let mib_max = number(&request, "mib", u64::MAX)?;
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while (eaten.len() as u64) < mib_max {
        let mut bite = Vec::new();
        if bite.try_reserve_exact(1 << 20).is_err() {
            if gently {
                break;
            }
            std::process::abort();
        }
        bite.resize(1 << 20, 0xa5);
        eaten.push(std::hint::black_box(bite));
    }
    let mib = eaten.len();
    drop(eaten);
    Response::json(&json!({ "mib": mib }))
}
