//! What systemd is told when it has started the server (`Type=notify`); to nobody else is anything said.

use std::io;

use sd_notify::NotifyState;

/// Requests are answered.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] ends that.
pub(crate) fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    match now {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => failed(&error),
    }
}

/// Open requests are answered, new ones are not.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Says that the server lives, twice within the time after which systemd would end it (`WatchdogSec=`). Ends at once where nobody
/// asked for that.
pub(crate) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut due = tokio::time::interval(limit / 2);
    loop {
        due.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        failed(&error);
    }
}

fn failed(error: &io::Error) {
    tracing::warn!(%error, "systemd could not be told");
}
