//! Looks at both clocks until the monotonic one has gone on `times` (10) times: answers `{"wall": [nanoseconds of the second,
//! …], "monotonic": […], "resolution": nanoseconds}`.
use modelet_sdk::wasi::clocks::{monotonic_clock, wall_clock};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::size;
use serde_json::json;

handler!(look);

fn look(request: Request) -> Result<Response, Error> {
    let times = size(&request, "times", 10)?;
    let (mut wall, mut monotonic) = (Vec::new(), Vec::new());
    while monotonic.len() < times {
        let now = monotonic_clock::now();
        if monotonic.last() != Some(&now) {
            monotonic.push(now);
            wall.push(wall_clock::now().nanoseconds);
        }
    }
    Response::json(&json!({ "wall": wall, "monotonic": monotonic, "resolution": monotonic_clock::resolution() }))
}
