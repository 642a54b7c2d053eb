//! What a server that systemd has started tells it: here the test has the socket.

use modelet_tests::{places, process, wait};
use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server with a socket for its words. Dropping it ends the server.
struct Service {
    server: Child,
    socket: UnixDatagram,
    said: RefCell<String>,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let server = serve(folder.path(), &path);
        Self { server, socket, said: RefCell::default(), _folder: folder }
    }

    /// Waits for these words after those that came before.
    fn says(&self, word: &str) {
        let found = wait::within(wait::BOUND, || {
            let mut piece = [0; 1024];
            if let Ok(length) = self.socket.recv(&mut piece) {
                self.said.borrow_mut().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
            let mut said = self.said.borrow_mut();
            let after = said.find(word)? + word.len();
            *said = said.split_off(after);
            Some(())
        });
        assert!(found.is_some(), "waited in vain for {word}, and heard {:?}", self.said.borrow());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(folder: &Path, socket: &Path) -> Child {
    let mut server = Command::new(places::modelet());
    server.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
    server.arg(folder.join("data")).current_dir(folder).env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "100000");
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn systemd_is_told_of_each_turn_of_a_servers_life() {
    let mut service = Service::start();
    service.says("READY=1");
    service.says("WATCHDOG=1");
    service.says("WATCHDOG=1");
    let pid = service.server.id();
    process::signal(pid, "HUP");
    service.says("RELOADING=1");
    service.says("MONOTONIC_USEC=");
    service.says("READY=1");
    process::signal(pid, "TERM");
    service.says("STOPPING=1");
    assert!(service.server.wait().unwrap().success());
}
