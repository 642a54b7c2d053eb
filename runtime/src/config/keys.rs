//! Every key of the configuration, in one table: the file, the environment and `modelet serve --help` are made of it.

use std::net::SocketAddr;
use std::time::Duration;

use modelet_inference::Bind;
use modelet_spec::{ServerLimits, span};
use modelet_store::Dedupe;

use super::devices;
use super::raw::{Setting, Value};
use super::{Config, THREADS_MAX, Threads};
use crate::outbound::Private;

/// Sessions of a model, and threads of a run: more is refused by the runtime.
const SESSIONS_MAX: usize = 1024;

/// Waiting calls of a model: each place in a batch is found by looking at all of them.
const QUEUE_MAX: usize = 4096;

/// One key: where it stands, what it means, how it is read.
pub(crate) struct Key {
    /// The section of the file.
    pub(crate) section: &'static str,
    /// The name in its section.
    pub(crate) name: String,
    /// One line for a person.
    pub(crate) help: &'static str,
    /// What it is when nobody sets it.
    pub(crate) default: String,
    /// Puts a setting into the configuration, or says why not.
    set: Set,
}

enum Set {
    Plain(fn(&mut Config, &Setting) -> Result<(), String>),
    /// A field of [`ServerLimits`], under the key's own name.
    Limit,
}

impl Key {
    /// Puts a setting of this key into the configuration, or says why not.
    pub(crate) fn apply(&self, config: &mut Config, setting: &Setting) -> Result<(), String> {
        match self.set {
            Set::Plain(set) => set(config, setting),
            Set::Limit => set_limit(&mut config.limits, &self.name, &setting.value),
        }
        .map_err(|why| format!("`{}.{}` {why}", self.section, self.name))
    }
}

/// The environment variable of a key: `MODELET_`, the section, the name.
pub(crate) fn env_name(key: &Key) -> String {
    format!("MODELET_{}_{}", key.section, key.name).to_uppercase()
}

/// Every key there is.
pub(crate) fn all() -> Vec<Key> {
    let mut keys = server();
    keys.extend(limits());
    keys.extend(inference());
    keys.extend(models());
    keys.extend(outbound());
    keys
}

fn plain(
    section: &'static str,
    name: &str,
    default: &str,
    help: &'static str,
    set: fn(&mut Config, &Setting) -> Result<(), String>,
) -> Key {
    Key { section, name: name.to_owned(), help, default: default.to_owned(), set: Set::Plain(set) }
}

fn server() -> Vec<Key> {
    let key = |name, default, help, set| plain("server", name, default, help, set);
    vec![
        key("listen", "127.0.0.1:8080", "where functions are served", |c, s| {
            c.server.listen = address(s)?;
            Ok(())
        }),
        key(
            "admin_listen",
            "127.0.0.1:8081",
            "where the admin API listens; elsewhere than on loopback with TLS",
            |c, s| {
                c.server.admin_listen = address(s)?;
                Ok(())
            },
        ),
        key(
            "cert_file",
            "none",
            "the certificate for HTTPS of functions, with those up to an authority, PEM",
            |c, s| {
                c.server.tls.certificate = Some(s.path()?);
                Ok(())
            },
        ),
        key("key_file", "none", "its private key, PEM", |c, s| {
            c.server.tls.key = Some(s.path()?);
            Ok(())
        }),
        key("admin_cert_file", "none", "the certificate for HTTPS of the admin API, PEM", |c, s| {
            c.server.admin_tls.certificate = Some(s.path()?);
            Ok(())
        }),
        key("admin_key_file", "none", "its private key, PEM", |c, s| {
            c.server.admin_tls.key = Some(s.path()?);
            Ok(())
        }),
        key("admin_unencrypted", "false", "whether the admin API may listen elsewhere without TLS", |c, s| {
            c.server.admin_unencrypted = s.flag()?;
            Ok(())
        }),
        key("data_dir", "./.modelet", "where everything is kept; must belong to the caller", |c, s| {
            c.data_dir = s.path()?;
            Ok(())
        }),
        key(
            "secret_key_file",
            "in data_dir",
            "the key that secrets are sealed with; better not where they lie",
            |c, s| {
                c.server.secret_key_file = Some(s.path()?);
                Ok(())
            },
        ),
        key("threads", "one per core", "threads that run functions", |c, s| {
            c.server.threads = s.count(THREADS_MAX)?;
            Ok(())
        }),
        key("server_timing", "false", "whether answers carry `server-timing`", |c, s| {
            c.server.server_timing = s.flag()?;
            Ok(())
        }),
        key("drain", "30s", "how long a stop waits for running requests", |c, s| {
            c.server.drain = duration(s)?;
            Ok(())
        }),
        key("component_idle", "5m", "how long a function's code stays in memory without an instance", |c, s| {
            c.server.component_idle = duration(s)?;
            Ok(())
        }),
        key("clock_step", "0s", "the steps in which functions' clocks go, such as `1ms`; `0s`: exact", |c, s| {
            c.server.clock_step = duration(s)?;
            Ok(())
        }),
        key("wasi_http_03", "false", "whether functions of `wasi:http` 0.3 are served: experimental", |c, s| {
            c.server.wasi_http_03 = s.flag()?;
            Ok(())
        }),
        key("history", "30d", "how far back it is known what served; so long what was removed is kept", |c, s| {
            c.server.history = duration(s)?;
            Ok(())
        }),
        key("log", "info", "what is logged: a level, or `target=level,…`", |c, s| {
            c.server.log = s.text()?.to_owned();
            Ok(())
        }),
    ]
}

fn inference() -> Vec<Key> {
    let key = |name, default, help, set| plain("inference", name, default, help, set);
    vec![
        key("library", "found by itself", "path of libonnxruntime.so", |c, s| {
            c.inference.library = Some(s.path()?);
            Ok(())
        }),
        key("workers", "one per core", "threads that run models", |c, s| {
            c.inference.workers = s.count(THREADS_MAX)?;
            Ok(())
        }),
        key(
            "threads",
            "auto",
            "threads of one run: `auto` (measured), a number, or `shared`: one pool for all",
            |c, s| {
                c.inference.threads = match s.text() {
                    Ok("auto") => Threads::Auto,
                    Ok("shared") => Threads::Shared,
                    _ => Threads::Each(s.count(SESSIONS_MAX).map_err(|why| format!("{why}, `auto` or `shared`"))?),
                };
                Ok(())
            },
        ),
        key("sessions", "auto", "sessions of one model: `auto` (cores, as far as memory goes) or a number", |c, s| {
            c.inference.sessions = match s.text() {
                Ok("auto") => None,
                _ => Some(s.count(SESSIONS_MAX).map_err(|why| format!("{why}, or `auto`"))?),
            };
            Ok(())
        }),
        key("devices", "cpu", "where models run, in order of preference; `cuda:0!` demands it", |c, s| {
            c.inference.devices = devices::wishes(s.text()?)?;
            Ok(())
        }),
        key("device_memory", "none", "what models may take of each, such as `cuda:0=16GiB`", |c, s| {
            c.inference.device_memory = devices::budgets(s.text()?)?;
            Ok(())
        }),
        key("bind", "devices", "when runs are by binding: on `devices` with own memory, or `always`", |c, s| {
            c.inference.bind = match s.text()? {
                "devices" => Bind::OnDevices,
                "always" => Bind::Always,
                other => return Err(format!("is `{other}`, and can be `devices` or `always`")),
            };
            Ok(())
        }),
        key("queue", "256", "calls of one model that may wait; further ones are turned away", |c, s| {
            c.inference.queue = s.count(QUEUE_MAX)?;
            Ok(())
        }),
        key("idle", "5m", "how long a model stays in memory after its last use", |c, s| {
            c.inference.idle = duration(s)?;
            Ok(())
        }),
    ]
}

fn models() -> Vec<Key> {
    let key = |name, default, help, set| plain("models", name, default, help, set);
    vec![key(
        "dedupe",
        "all",
        "who shares the same bytes on the disk and in memory: all, or each tenant alone",
        |c, s| {
            c.dedupe = match s.text()? {
                "all" => Dedupe::All,
                "tenant" => Dedupe::Tenant,
                other => return Err(format!("is `{other}`; write \"all\" or \"tenant\"")),
            };
            Ok(())
        },
    )]
}

fn outbound() -> Vec<Key> {
    let key = |name, default, help, set| plain("outbound", name, default, help, set);
    vec![
        key("private", "named", "addresses that are not public: `named` by a function.toml, or `never`", |c, s| {
            c.outbound.private = match s.text()? {
                "named" => Private::Named,
                "never" => Private::Never,
                other => return Err(format!("is `{other}`; write \"named\" or \"never\"")),
            };
            Ok(())
        }),
        key(
            "ca_file",
            "none",
            "authorities of your own that functions' HTTPS trusts beside the usual ones, PEM",
            |c, s| {
                c.outbound.ca_file = Some(s.path()?);
                Ok(())
            },
        ),
    ]
}

/// The keys of `[limits]` are the fields of [`ServerLimits`], by their own names.
fn limits() -> Vec<Key> {
    let defaults = fields(&ServerLimits::default());
    let key = |(name, value): (String, serde_json::Value)| {
        let default = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Key { section: "limits", name, help: "", default, set: Set::Limit }
    };
    defaults.into_iter().map(key).collect()
}

fn fields(limits: &ServerLimits) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(limits) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

/// Sets one field by its serde form, so that the type alone says what it takes.
fn set_limit(limits: &mut ServerLimits, name: &str, value: &Value) -> Result<(), String> {
    let mut fields = fields(limits);
    let is_number = fields.get(name).is_some_and(serde_json::Value::is_number);
    let json = match value {
        Value::Text(text) => match text.parse::<u64>() {
            Ok(number) if is_number => number.into(),
            _ => text.clone().into(),
        },
        Value::Integer(number) => (*number).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Other(kind) => return Err(format!("must not be {kind}")),
    };
    fields.insert(name.to_owned(), json);
    *limits = serde_json::from_value(fields.into()).map_err(|e| format!("is {}: {e}", value.kind()))?;
    Ok(())
}

fn address(setting: &Setting) -> Result<SocketAddr, String> {
    let text = setting.text()?;
    text.parse().map_err(|_| format!("is `{text}`, not an address such as 127.0.0.1:8080"))
}

fn duration(setting: &Setting) -> Result<Duration, String> {
    let text = setting.text()?;
    span::parse(text).map_err(|e| format!("is `{text}`: {e}"))
}
