//! Keeps pairs by `wasi:keyvalue`. The query says what: `bucket` (empty), `do`, `key`, `value` (or, if it is not there, the
//! body), `by` (1) and `cursor`. `do` is `get`, `set`, `delete`, `exists`, `list`, `add`, `get-many`, `set-many` or
//! `delete-many`; of the last three, `key` is keys with commas between. Answers `{"ok": …}` or `{"error": "…"}`.
use bindings::wasi::keyvalue::{atomics, batch, store};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::{Value, json};

handler!(keep);

mod bindings {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../wit/deps/wasi-keyvalue@0.2.0-draft",
        world: "wasi:keyvalue/imports",
    });
}

fn keep(request: Request) -> Result<Response, Error> {
    let by = number(&request, "by", 1)?;
    let value = match request.param("value") {
        Some(value) => value.into_bytes(),
        None => request.bytes()?.to_vec(),
    };
    Response::json(&match act(&request, value, by) {
        Ok(done) => json!({ "ok": done }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    })
}

fn act(request: &Request, value: Vec<u8>, by: u64) -> Result<Value, store::Error> {
    let text = |name| request.param(name).unwrap_or_default();
    let bucket = store::open(&text("bucket"))?;
    let key = text("key");
    let keys: Vec<String> = key.split(',').map(str::to_owned).collect();
    Ok(match text("do").as_str() {
        "get" => shown(bucket.get(&key)?),
        "set" => bucket.set(&key, &value)?.into(),
        "delete" => bucket.delete(&key)?.into(),
        "exists" => bucket.exists(&key)?.into(),
        "add" => atomics::increment(&bucket, &key, by)?.into(),
        "list" => {
            let page = bucket.list_keys(text("cursor").parse().ok())?;
            json!({ "keys": page.keys, "cursor": page.cursor })
        }
        "get-many" => {
            let pairs = batch::get_many(&bucket, &keys)?;
            pairs.into_iter().map(|pair| pair.map(|(key, value)| json!([key, shown(Some(value))]))).collect()
        }
        "set-many" => {
            let pairs: Vec<_> = keys.into_iter().map(|key| (key, value.clone())).collect();
            batch::set_many(&bucket, &pairs)?.into()
        }
        "delete-many" => batch::delete_many(&bucket, &keys)?.into(),
        other => format!("nothing is called `{other}`").into(),
    })
}

fn shown(value: Option<Vec<u8>>) -> Value {
    value.map_or(Value::Null, |value| String::from_utf8_lossy(&value).into())
}
