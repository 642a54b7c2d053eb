//! `modelet serve`: from the configuration to the end of the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use modelet_control::Control;
use tokio::sync::watch;

use super::ConfigArgs;
use super::check::sources;
use super::output;
use crate::assemble::{self, Server};
use crate::certificates::Certificates;
use crate::config::{Config, Sources};
use crate::divisions;
use crate::shutdown::Signals;
use crate::systemd;
use crate::telemetry::{self, LogHandle};

/// What the admin API gets for its open requests, after the data plane has drained.
const ADMIN_DRAIN: Duration = Duration::from_secs(2);
/// How many turns of tasks a worker gives before it looks at its sockets. Tokio's own 61 is for turns of microseconds; a
/// guest that computes takes a tick of 10 ms each, and 61 of those kept a neighbour waiting for more than half a second.
const EVENT_INTERVAL: u32 = 7;
/// A compilation or a model's load that still runs at the end is not waited for longer.
const BLOCKING_DRAIN: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &ConfigArgs, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let sources = sources(args, data_dir);
    let config = Config::load(&sources)?;
    let log = telemetry::start(&config.server.log)?;
    divisions::survive().context("no handler for divisions that fail")?;
    let threads = config.server.threads;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()?;
    let result = runtime.block_on(serve(config, &sources, &log));
    runtime.shutdown_timeout(BLOCKING_DRAIN);
    result
}

async fn serve(config: Config, sources: &Sources, log: &LogHandle) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let server = assemble::assemble(&config).await?;
    let Server { control, gateway, router, data_listener, admin_listener, certificates, listening } = server;
    let _file = assemble::announce(&config.data_dir, &listening)?;
    output::line(&format!("functions  {}", listening.data_url));
    output::line(&format!("admin      {}", listening.admin_url));

    let (stop, stopped) = watch::channel(false);
    let (data_tls, admin_tls) = (certificates.data.clone(), certificates.admin.clone());
    let admin = tokio::spawn(modelet_control::serve(admin_listener, admin_tls, router, told(stopped.clone())));
    // The admin API answers from here on; functions are served once the catalog is loaded.
    let data_url = listening.data_url.clone();
    tokio::spawn(systemd::watchdog());
    let loading = tokio::spawn({
        let control = Arc::clone(&control);
        async move { control.load().await }
    });
    let data = async move {
        loading.await.context("loading the functions ended early")??;
        tracing::info!("ready");
        systemd::ready(&format!("functions on {data_url}"));
        anyhow::Ok(gateway.serve(data_listener, data_tls, told(stopped)).await)
    };
    tokio::pin!(data);

    let hangup = || {
        systemd::reloading();
        reread(sources, &config, log, (&certificates, &control));
        systemd::ready(&format!("functions on {}", listening.data_url));
    };
    let signal = tokio::select! {
        ended = &mut data => {
            ended?;
            bail!("the data plane ended by itself: restart the server");
        }
        signal = signals.stop(hangup) => signal,
    };
    tracing::info!(signal, drain_s = config.server.drain.as_secs(), "stopping: no new connections, draining");
    systemd::stopping();
    let _ = stop.send(true);
    tokio::select! {
        ended = tokio::time::timeout(config.server.drain + ADMIN_DRAIN, &mut data) => match ended {
            Ok(drained) => tracing::info!(cut = drained?.cut, "drained"),
            Err(_) => tracing::warn!("the drain ended with requests still open"),
        },
        signal = signals.stop(|| ()) => tracing::warn!(signal, "a second signal: not draining any longer"),
    }
    if tokio::time::timeout(ADMIN_DRAIN, admin).await.is_err() {
        tracing::warn!("admin requests were still open");
    }
    if let Err(error) = control.close_books().await {
        tracing::error!(%error, "what was used in the last seconds is not in the books");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Done when the server is to stop.
async fn told(mut stop: watch::Receiver<bool>) {
    // An error is a sender that has gone: then nothing else will ever tell.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What SIGHUP does: of the whole configuration, the log filter, the certificates and the keys of issuers of tokens can change while
/// the server runs.
fn reread(sources: &Sources, running: &Config, log: &LogHandle, (certificates, control): (&Certificates, &Control)) {
    let config = match Config::load(sources) {
        Ok(config) => config,
        Err(faults) => {
            return tracing::error!(%faults, "SIGHUP: the configuration has faults; the running one stays");
        }
    };
    if let Some(file) = config.lost_file(running) {
        return tracing::error!(file = %file.display(), "SIGHUP: the configuration's file is gone; the running one stays");
    }
    if let Err(error) = log.set(&config.server.log) {
        return tracing::error!(%error, "SIGHUP: the log filter could not be changed");
    }
    if let Err(why) = certificates.reload(&config.server.tls, &config.server.admin_tls) {
        return tracing::error!("SIGHUP: the server's certificate {why}; the running one stays");
    }
    control.reload_issuers();
    tracing::info!(log = %config.server.log, "SIGHUP: configuration read again");
    let changed = config.needs_restart(running);
    if !changed.is_empty() {
        tracing::warn!(keys = changed.join(", "), "SIGHUP: what has changed of these holds after a restart");
    }
}
