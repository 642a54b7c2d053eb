//! Wants its settings in `init`, which has none; answers the value of `api_key`, or `none`.
use std::sync::LazyLock;

use bindings::wasi::config::store;
use modelet_sdk::{Error, Request, Response, handler, init};

handler!(tell);
init!(API_KEY);

static API_KEY: LazyLock<Option<String>> = LazyLock::new(|| store::get("api_key").ok().flatten());

mod bindings {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet:test@1.0.0;
            world init-settings {
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: "../../wit/deps/wasi-config@0.2.0-rc.1",
        world: "modelet:test/init-settings",
        generate_all,
    });
}

fn tell(_: Request) -> Result<Response, Error> {
    Ok(Response::text(format!("{}\n", API_KEY.as_deref().unwrap_or("none"))))
}
