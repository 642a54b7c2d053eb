//! The server's configuration: as typed in [`raw`], checked here, valid by construction afterwards.
//!
//! All faults are found at once and before any socket opens. Only this folder and `cli/` read the environment.

pub(crate) mod devices;
mod fault;
mod jwt;
mod keys;
mod raw;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use modelet_control::JwtIssuer;
use modelet_inference::Bind;
use modelet_spec::{ByteSize, Device, DeviceWish, ServerLimits};
use modelet_store::Dedupe;

use crate::certificates::TlsFiles;
use crate::outbound::{Private, tls};

pub(crate) use fault::Faults;
use fault::{Fault, Origin};
use raw::{Setting, Value};

/// The file that is read when none is named and it exists.
pub(crate) const FILE_DEFAULT: &str = "modelet.toml";
/// The data directory when none is named.
pub(crate) const DATA_DIR_DEFAULT: &str = ".modelet";
/// More threads than any machine here has cores: a typing error.
const THREADS_MAX: usize = 4096;
/// Coarser clocks would be of no use to a guest.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(1);
/// A longer drain would outlive whatever sent the signal.
const DRAIN_MAX: Duration = Duration::from_secs(3600);

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// The listeners and their threads.
    pub(crate) server: ServerConfig,
    /// What no tenant and no function may exceed.
    pub(crate) limits: ServerLimits,
    /// How models run.
    pub(crate) inference: InferenceConfig,
    /// `[models] dedupe`
    pub(crate) dedupe: Dedupe,
    /// What functions may send.
    pub(crate) outbound: OutboundKeys,
    /// Whose tokens are taken in the place of keys.
    pub(crate) jwt: Vec<JwtIssuer>,
    /// What it was made of.
    given: Given,
}

/// What a configuration was made of, to tell what has changed when it is read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Given {
    /// The file, if there was one.
    file: Option<PathBuf>,
    /// The keys that were set, as `section.name`.
    keys: BTreeMap<String, Value>,
}

/// `[outbound]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboundKeys {
    /// What becomes of addresses that are not public.
    pub(crate) private: Private,
    /// Authorities that TLS trusts beside the usual ones, in PEM.
    pub(crate) ca_file: Option<PathBuf>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// The data plane's address.
    pub(crate) listen: SocketAddr,
    /// The admin API's address.
    pub(crate) admin_listen: SocketAddr,
    /// The certificate of the data plane.
    pub(crate) tls: TlsFiles,
    /// The certificate of the admin API.
    pub(crate) admin_tls: TlsFiles,
    /// Whether the admin API may be reached from elsewhere without TLS of its own.
    pub(crate) admin_unencrypted: bool,
    /// The file with the key that secrets are sealed with; `None`: one in the data directory.
    pub(crate) secret_key_file: Option<PathBuf>,
    /// Threads that run functions.
    pub(crate) threads: usize,
    /// Whether answers carry `server-timing`.
    pub(crate) server_timing: bool,
    /// How long a stop waits for running requests.
    pub(crate) drain: Duration,
    /// How long a function's component stays in memory after its last instance has gone.
    pub(crate) component_idle: Duration,
    /// What is logged, as `tracing` filters.
    pub(crate) log: String,
    /// The steps in which guests' clocks go; zero: as fine as the machine's.
    pub(crate) clock_step: Duration,
    /// Whether functions of `wasi:http` 0.3 are served.
    pub(crate) wasi_http_03: bool,
    /// How far back it is known what served; so long what was removed stays on the disk.
    pub(crate) history: Duration,
}

/// `[inference]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InferenceConfig {
    /// The ONNX Runtime library, when it is not to be searched for.
    pub(crate) library: Option<PathBuf>,
    /// Threads that run models.
    pub(crate) workers: usize,
    /// How many of them one run uses.
    pub(crate) threads: Threads,
    /// Sessions of one model; `None`: as many as there are cores, as far as memory goes.
    pub(crate) sessions: Option<usize>,
    /// Where models may run, in order of preference.
    pub(crate) devices: Vec<DeviceWish>,
    /// What models may take of each device but the CPU.
    pub(crate) device_memory: Vec<(Device, ByteSize)>,
    /// When sessions run by binding.
    pub(crate) bind: Bind,
    /// Calls of one model that may wait.
    pub(crate) queue: usize,
    /// How long a model stays in memory after its last use.
    pub(crate) idle: Duration,
}

/// `[inference] threads`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// One, and more for models whose long runs are measured to gain by it.
    Auto,
    /// So many in every run of a model that does not say.
    Each(usize),
    /// One pool for all runs.
    Shared,
}

/// Where the configuration comes from: what the command line says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`
    pub(crate) file: Option<PathBuf>,
    /// Flags that set a key: section, name, value and the flag's own name.
    pub(crate) flags: Vec<(&'static str, &'static str, &'static str, String)>,
}

impl Config {
    /// Reads and checks everything: the file, this process's environment, the flags.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Faults> {
        // A variable that is not UTF-8 cannot be one of ours: their names and values are ASCII.
        let env = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let (file, text) = read(sources.file.as_deref())?;
        Self::from_parts(text.as_deref().map(|text| (file.as_path(), text)), env, &sources.flags)
    }

    /// The same from given parts, for tests.
    fn from_parts(
        file: Option<(&Path, &str)>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(&'static str, &'static str, &'static str, String)],
    ) -> Result<Self, Faults> {
        let keys = keys::all();
        let mut faults = Vec::new();
        let mut settings = Vec::new();
        if let Some((path, text)) = file {
            settings.extend(raw::from_file(path, text, &keys, &mut faults));
        }
        settings.extend(raw::from_env(env, &keys, &mut faults));
        for (section, name, flag, value) in flags {
            if let Some(key) = keys.iter().position(|k| k.section == *section && k.name == *name) {
                let value = Value::Text(value.clone());
                settings.push(Setting { key, value, origin: Origin::Flag(flag) });
            }
        }
        let mut config = Self::defaults();
        if let Some((path, text)) = file {
            config.jwt = jwt::from_file(path, text, &mut faults);
        }
        config.given.file = file.map(|(path, _)| path.to_owned());
        for setting in &settings {
            let Some(key) = keys.get(setting.key) else { continue };
            config.given.keys.insert(format!("{}.{}", key.section, key.name), setting.value.clone());
            if let Err(what) = key.apply(&mut config, setting) {
                faults.push(Fault { origin: setting.origin.clone(), what });
            }
        }
        config.check(|name| origin_of(&keys, &settings, name), &mut faults);
        faults.sort_by(|a, b| a.origin.cmp(&b.origin));
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }

    /// The file that `running` was made of and this was not: it has gone meanwhile.
    pub(crate) fn lost_file<'r>(&self, running: &'r Self) -> Option<&'r Path> {
        running.given.file.as_deref().filter(|_| self.given.file.is_none())
    }

    /// The keys in which this differs from `running` and that only a restart can change: all but the log filter, and which certificates
    /// there are.
    pub(crate) fn needs_restart<'a>(&'a self, running: &'a Self) -> Vec<&'a str> {
        let same = |new: &TlsFiles, old: &TlsFiles| new.is_given() == old.is_given();
        let is_live = |name: &str| match name {
            "server.log" => true,
            "server.cert_file" | "server.key_file" => same(&self.server.tls, &running.server.tls),
            "server.admin_cert_file" | "server.admin_key_file" => {
                same(&self.server.admin_tls, &running.server.admin_tls)
            }
            _ => false,
        };
        let (new, old) = (&self.given.keys, &running.given.keys);
        let names: BTreeSet<&str> = new.keys().chain(old.keys()).map(String::as_str).collect();
        let changed = names.into_iter().filter(|name| new.get(*name) != old.get(*name) && !is_live(name));
        changed.chain((self.jwt != running.jwt).then_some("auth.jwt")).collect()
    }

    fn defaults() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            data_dir: PathBuf::from(DATA_DIR_DEFAULT),
            server: ServerConfig {
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
                admin_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
                tls: TlsFiles::default(),
                admin_tls: TlsFiles::default(),
                admin_unencrypted: false,
                secret_key_file: None,
                threads: cores,
                server_timing: false,
                drain: Duration::from_secs(30),
                component_idle: Duration::from_secs(300),
                log: "info".to_owned(),
                clock_step: Duration::ZERO,
                wasi_http_03: false,
                history: Duration::from_secs(30 * 86_400),
            },
            limits: ServerLimits::default(),
            inference: InferenceConfig {
                library: None,
                workers: cores,
                threads: Threads::Auto,
                sessions: None,
                devices: vec![DeviceWish::default()],
                device_memory: Vec::new(),
                bind: Bind::default(),
                queue: 256,
                idle: Duration::from_secs(300),
            },
            dedupe: Dedupe::All,
            outbound: OutboundKeys { private: Private::Named, ca_file: None },
            jwt: Vec::new(),
            given: Given::default(),
        }
    }

    /// What no single key can say.
    fn check(&self, origin: impl Fn(&str) -> Origin, faults: &mut Vec<Fault>) {
        let mut fault = |name: &str, what: String| faults.push(Fault { origin: origin(name), what });
        let is_guarded = self.server.admin_tls.is_given() || self.server.admin_unencrypted;
        if !self.server.admin_listen.ip().is_loopback() && !is_guarded {
            let what = "from elsewhere the admin API wants TLS: give `admin_cert_file` and `admin_key_file`; behind a proxy that \
                        encrypts, say `admin_unencrypted = true`, too; or leave it on loopback, behind an SSH tunnel";
            fault("admin_listen", format!("`server.admin_listen` is {}; {what}", self.server.admin_listen));
        }
        for (name, files) in [("cert_file", &self.server.tls), ("admin_cert_file", &self.server.admin_tls)] {
            if let Err(why) = files.check() {
                fault(name, format!("`server.{name}`: {why}"));
            }
        }
        if self.server.listen.port() != 0 && self.server.listen == self.server.admin_listen {
            let what = format!("`server.listen` and `server.admin_listen` are both {}", self.server.listen);
            fault("admin_listen", format!("{what}: give each its own port"));
        }
        if self.server.drain > DRAIN_MAX {
            fault("drain", "`server.drain` is over an hour: give at most \"60m\"".to_owned());
        }
        if self.server.clock_step > CLOCK_STEP_MAX {
            fault("clock_step", "`server.clock_step` is over a second: give at most \"1s\"".to_owned());
        }
        if let Err(why) = tls::roots(self.outbound.ca_file.as_deref()) {
            fault("ca_file", format!("`outbound.ca_file`: {why}"));
        }
        devices::check(&self.inference, &mut fault);
        if let Err(why) = crate::telemetry::check(&self.server.log) {
            fault("log", format!("`server.log` is no log filter: {why}; write a level such as \"info\""));
        }
    }
}

/// The lines of `modelet serve --help` that list every key.
pub(crate) fn help() -> String {
    let mut text =
        String::from("Configuration keys, as `[section] key` in modelet.toml and as environment variables:\n");
    for key in keys::all() {
        let name = format!("[{}] {}", key.section, key.name);
        let what = if key.help.is_empty() { String::new() } else { format!("{}; ", key.help) };
        text.push_str(&format!("  {name:34} {:40} {what}default {}\n", keys::env_name(&key), key.default));
    }
    text.push_str("Issuers whose tokens (JWT) are taken in the place of keys, in the file alone: [[auth.jwt]].\n");
    text
}

fn origin_of(keys: &[keys::Key], settings: &[Setting], name: &str) -> Origin {
    let is_it = |s: &&Setting| {
        keys.get(s.key).is_some_and(|k| matches!(k.section, "server" | "inference" | "outbound") && k.name == name)
    };
    settings.iter().rfind(is_it).map_or(Origin::Default, |s| s.origin.clone())
}

/// The text of the configuration file. Not to find one is a fault only when it was named.
fn read(named: Option<&Path>) -> Result<(PathBuf, Option<String>), Faults> {
    let path = named.unwrap_or(Path::new(FILE_DEFAULT));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), Some(text))),
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok((path.to_owned(), None)),
        Err(e) => {
            let what = format!("cannot be read: {e}; name another file with --config");
            Err(Faults(vec![Fault { origin: Origin::File(path.to_owned(), 0), what }]))
        }
    }
}
