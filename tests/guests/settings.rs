//! Reads `wasi:config` and writes by `wasi:logging`: logs each setting at every level, unless it is asked `?quiet=`, and answers
//! `{"one", "all"}`: the value of `key` (`threshold`), or `null`, and how many there are.
use bindings::wasi::config::store;
use bindings::wasi::logging::logging::{Level, log};
use modelet_sdk::{Error, Request, Response, handler};
use serde_json::json;

handler!(tell);

mod bindings {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet:test@1.0.0;
            world settings {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        path: ["../../wit/deps/wasi-config@0.2.0-rc.1", "../../wit/deps/wasi-logging@0.1.0-draft"],
        world: "modelet:test/settings",
        generate_all,
    });
}

fn tell(request: Request) -> Result<Response, Error> {
    let failed = |error: store::Error| Error::internal(format!("{error:?}"));
    let key = request.param("key").unwrap_or_else(|| "threshold".to_owned());
    let all = store::get_all().map_err(failed)?;
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical];
    for (name, value) in all.iter().filter(|_| request.param("quiet").is_none()) {
        levels.iter().for_each(|level| log(*level, "settings", &format!("{name} is {value}")));
    }
    Response::json(&json!({ "one": store::get(&key).map_err(failed)?, "all": all.len() }))
}
