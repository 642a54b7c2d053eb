//! Builds the server, in order: the store and its lock, the sockets, the engine, inference, the two planes.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use modelet_catalog::Catalog;
use modelet_control::{
    ChildConfig, ChildLimits, CompileConfig, Control, ControlConfig, Inference, Parts, SECRET_KEY_FILE, TrialConfig,
};
use modelet_engine::{Engine, EngineConfig};
use modelet_gateway::{Gateway, GatewayConfig};
use modelet_inference::{DeviceSettings, Runtime, RuntimeConfig};
use modelet_spec::{ByteSize, DeviceWish};
use modelet_store::Store;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::certificates::Certificates;
use crate::cli::find::{Listening, SERVER_FILE};
use crate::cli::library;
use crate::config::{Config, Threads, devices};
use crate::keyvalue::StorePairs;
use crate::memory::SystemMemory;
use crate::outbound::{Fetcher, HttpClient, OutboundConfig, tls};
use crate::process;
use crate::utilisation::Utilisation;

/// Below the data directory, for nobody but its owner: TensorRT runs what lies there.
const ENGINE_CACHE: &str = "cache/tensorrt";

/// A server, ready to be run.
pub(crate) struct Server {
    /// The control plane; its functions are not loaded yet.
    pub(crate) control: Arc<Control>,
    /// The data plane.
    pub(crate) gateway: Arc<Gateway>,
    /// The admin API.
    pub(crate) router: axum::Router,
    /// The data plane's socket.
    pub(crate) data_listener: TcpListener,
    /// The admin API's socket.
    pub(crate) admin_listener: TcpListener,
    /// What both are encrypted with.
    pub(crate) certificates: Certificates,
    /// Where both are.
    pub(crate) listening: Listening,
}

/// Builds everything. Nothing is accepted yet.
pub(crate) async fn assemble(config: &Config) -> anyhow::Result<Server> {
    let store = Arc::new(Store::open(&config.data_dir)?.with_dedupe(config.dedupe));
    let data_listener = bind(config.server.listen, "--listen").await?;
    let admin_listener = bind(config.server.admin_listen, "--admin-listen").await?;
    // Read again after the check of the configuration: the files may have gone since.
    let certificates = Certificates::load(&config.server.tls, &config.server.admin_tls)
        .map_err(|why| anyhow!("the server's certificate {why}"))?;
    let listening = Listening {
        admin_url: url(&admin_listener, certificates.admin.is_some())?,
        data_url: url(&data_listener, certificates.data.is_some())?,
        pid: std::process::id(),
    };
    let mut registry = Registry::default();
    process::register(&mut registry);
    let outbound = outbound_config(config)?;
    let jwks = Arc::new(Fetcher::new(outbound.roots.clone())?);
    let outbound = HttpClient::new(outbound, &mut registry)?;
    let engine = Engine::new(EngineConfig {
        limits: config.limits.clone(),
        component_idle: config.server.component_idle,
        memory: Some(Arc::new(SystemMemory::find())),
        keyvalue: Arc::new(StorePairs::new(Arc::clone(&store), &mut registry)),
        outbound: Arc::new(outbound),
        clock_step: config.server.clock_step,
        wasi_http_03: config.server.wasi_http_03,
    })?;
    let inference = inference(config, &mut registry)?;
    let catalog = Arc::new(ArcSwap::from_pointee(Catalog::empty()));
    let usage = Arc::default();
    let gateway = Gateway::new(gateway_config(config), Arc::clone(&catalog), Arc::clone(&usage), &mut registry);
    engine.tell(gateway.times());
    let utilisation = Utilisation {
        shares: gateway.shares(),
        engine: engine.clone(),
        instances_max: config.limits.instances_total,
        inference: inference.clone(),
    };
    utilisation.register(&mut registry);
    let control_config = ControlConfig {
        data_dir: config.data_dir.clone(),
        secret_key_file: secret_key_file(config),
        jwt: config.jwt.clone(),
        data_url: listening.data_url.clone(),
        data_is_loopback: data_listener.local_addr()?.ip().is_loopback(),
        admin_is_loopback: admin_listener.local_addr()?.ip().is_loopback(),
        limits: config.limits.clone(),
        model_idle: config.inference.idle,
        history: config.server.history,
        drain: config.server.drain,
        version: env!("CARGO_PKG_VERSION"),
    };
    let (trial, compile) = (trial_config(config), compile_config(config));
    let parts = Parts { store, engine, inference, trial, compile, jwks, catalog, usage };
    let control = Control::open(control_config, parts, &mut registry)?;
    let router = Arc::clone(&control).router(Arc::new(registry));
    Ok(Server { control, gateway: Arc::new(gateway), router, data_listener, admin_listener, certificates, listening })
}

/// Where the key of secrets is.
fn secret_key_file(config: &Config) -> PathBuf {
    let own = || config.data_dir.join(SECRET_KEY_FILE);
    config.server.secret_key_file.clone().unwrap_or_else(own)
}

/// How models run.
pub(crate) fn runtime_config(config: &Config) -> RuntimeConfig {
    RuntimeConfig {
        library: library::source(config.inference.library.as_deref()),
        arena_max_bytes: config.limits.inference_memory.0,
        workers: config.inference.workers,
        intra_threads: if let Threads::Each(threads) = config.inference.threads { Some(threads) } else { None },
        shared_threads: config.inference.threads == Threads::Shared,
        sessions_max: config.inference.sessions,
        devices: devices::settings(config),
        bind: config.inference.bind,
        engine_cache: std::path::absolute(config.data_dir.join(ENGINE_CACHE)).ok(),
        load_max: config.limits.load_time,
        queue_max: config.inference.queue,
        ..RuntimeConfig::default()
    }
}

/// The same on the CPU alone: for whoever only looks at a model or at this machine.
pub(crate) fn cpu_config(config: &Config) -> RuntimeConfig {
    let cpu = DeviceSettings { wish: DeviceWish::default(), memory_max: config.limits.inference_memory.0 };
    RuntimeConfig { devices: vec![cpu], engine_cache: None, ..runtime_config(config) }
}

/// How models are tried before they are taken.
pub(crate) fn trial_config(config: &Config) -> TrialConfig {
    let limits = &config.limits;
    let child = child_config((limits.trial_memory, limits.trial_cpu), limits.trial_time);
    TrialConfig { child, arena_max_bytes: limits.inference_memory.0 }
}

/// How components are compiled.
fn compile_config(config: &Config) -> CompileConfig {
    let limits = &config.limits;
    CompileConfig {
        child: child_config((limits.compile_memory, limits.compile_cpu), limits.compile_time),
        init_memory_bytes: limits.memory.0,
        init_table_elements: limits.table_elements,
        component_bytes: limits.component_bytes.0,
    }
}

/// This binary again, with limits of its own.
fn child_config((memory, cpu): (ByteSize, Duration), time: Duration) -> ChildConfig {
    ChildConfig {
        // Not its path: after an update another binary may be there, which the running server knows nothing of.
        exe: PathBuf::from("/proc/self/exe"),
        limits: ChildLimits {
            memory_bytes: memory.0,
            cpu_s: cpu.as_secs().max(1),
            // An optimised form's format holds 2 GiB at most; no code comes near.
            file_bytes: 2 << 30,
        },
        time,
    }
}

/// Functions without models are served without ONNX Runtime, too; `/readyz` says that it is missing.
/// A device that is demanded and not there is a fault of the configuration: whoever wrote the `!` wants no server without.
fn inference(config: &Config, registry: &mut Registry) -> anyhow::Result<Inference> {
    match Runtime::open(&runtime_config(config)) {
        Ok(runtime) => {
            runtime.register(registry);
            Ok(Inference::Ready(runtime))
        }
        Err(error) if config.inference.devices.iter().any(|wish| wish.is_demanded) => {
            Err(anyhow!("the configuration has a fault\n{}: {error}", devices::told(&config.inference.devices)))
        }
        Err(error) => {
            tracing::error!(%error, "no model can be loaded");
            Ok(Inference::Missing(error.to_string()))
        }
    }
}

fn outbound_config(config: &Config) -> anyhow::Result<OutboundConfig> {
    // Read again after the check of the configuration: the file may have gone since.
    let roots = tls::roots(config.outbound.ca_file.as_deref()).map_err(|why| anyhow!("`outbound.ca_file`: {why}"))?;
    Ok(OutboundConfig { total: config.limits.outbound_total, private: config.outbound.private, roots })
}

fn gateway_config(config: &Config) -> GatewayConfig {
    GatewayConfig {
        limits: config.limits.clone(),
        server_timing: config.server.server_timing,
        drain: config.server.drain,
        ..GatewayConfig::default()
    }
}

/// Where a listener is reached from this machine. One that listens on all addresses is reached on loopback, too.
fn url(listener: &TcpListener, is_encrypted: bool) -> anyhow::Result<String> {
    let mut address = listener.local_addr()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(format!("{}://{address}", if is_encrypted { "https" } else { "http" }))
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|e| anyhow!("cannot listen on {address}: {e}; stop what listens there, or choose another by {flag}"))
}

/// The file that tells the command line where the server is; removed when the server ends.
pub(crate) struct Announced(PathBuf);

/// Writes where the server listens into the data directory, for its owner's eyes only.
pub(crate) fn announce(data_dir: &Path, listening: &Listening) -> anyhow::Result<Announced> {
    let path = data_dir.join(SERVER_FILE);
    let aside = data_dir.join(format!("{SERVER_FILE}.new"));
    let json = serde_json::to_vec_pretty(listening)?;
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&json)?;
        // Renamed, so that nobody reads half of it. Not synced: after a crash of the machine the server is gone, too.
        std::fs::rename(&aside, &path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Announced(path))
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(file = %self.0.display(), %error, "could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_announcement_is_private_and_goes_with_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let listening = Listening { admin_url: "http://a".to_owned(), data_url: "http://d".to_owned(), pid: 1 };
        let announced = announce(dir.path(), &listening).unwrap();
        let file = dir.path().join(SERVER_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read: Listening = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read.data_url, "http://d");
        drop(announced);
        assert!(!file.exists());
    }
}
