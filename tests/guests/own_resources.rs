//! Makes handles of a resource of its own, without a call into the host's code, and keeps them: `n` (1,000,000). The host traps at
//! its cap; else the answer is `{"held": n}`.
use bindings::exports::modelet_test::private::things::{Guest, GuestThing, Thing};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(hoard);

mod bindings {
    #![allow(unsafe_code, missing_docs, unreachable_pub, dead_code, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet-test:private;
            interface things { resource thing { constructor(); } }
            world offering { export things; }
        ",
    });
}

struct Component;
struct Nothing;

impl Guest for Component {
    type Thing = Nothing;
}

impl GuestThing for Nothing {
    fn new() -> Self {
        Self
    }
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "generated")]
const _: () = {
    bindings::export!(Component with_types_in bindings);
};

fn hoard(request: Request) -> Result<Response, Error> {
    let n = number(&request, "n", 1_000_000)?;
    let held: Vec<Thing> = (0..n).map(|_| Thing::new(Nothing)).collect();
    Response::json(&json!({ "held": held.len() }))
}
