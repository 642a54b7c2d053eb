//! HTTPS: what curl and `modelet` say to it, and what happens when certificates change.

use modelet_tests::authority::Authority;
use modelet_tests::cli::{modelet, ran, run_in};
use modelet_tests::raw::Wire;
use modelet_tests::{Function, Ran, TestHost, process, until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The name that the certificates are for; curl is told where it is.
const NAME: &str = "models.example";

/// A server with HTTPS for functions, its authority's file, and the folder of its certificate.
struct Secure {
    host: TestHost,
    folder: tempfile::TempDir,
}

impl Secure {
    fn start(extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::make();
        authority.lay(&folder.path().join("ca.pem"));
        authority.lay_certificate(&[NAME, "localhost"], folder.path());
        let host = TestHost::configured(&format!("{}{extra}", section(folder.path(), "")));
        host.deploy(&Function::guest("hello"));
        Self { host, folder }
    }

    /// `curl` for a path, by that name.
    fn curl(&self, path: &str, arguments: &[&str]) -> Ran {
        let port = self.host.data_url.rsplit_once(':').unwrap().1;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"]);
        curl.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]).args(arguments);
        ran(curl.arg(format!("https://{NAME}:{port}{path}")))
    }

    fn trusted(&self, path: &str, arguments: &[&str]) -> Ran {
        let ca = self.folder.path().join("ca.pem");
        self.curl(path, &[&["--cacert", ca.to_str().unwrap()], arguments].concat())
    }
}

/// The keys of a listener's certificate; `prefix` is `admin_` for the admin API's.
fn section(folder: &Path, prefix: &str) -> String {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    format!("[server]\n{prefix}cert_file = \"{cert}\"\n{prefix}key_file = \"{key}\"\n")
}

#[test]
fn functions_answer_by_https_over_http_1_and_2_and_only_to_those_who_trust_them() {
    let secure = Secure::start("");
    assert!(secure.host.data_url.starts_with("https://"), "{}", secure.host.data_url);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = secure.trusted("/hello", &[flag, "--write-out", "%{http_version}"]).done();
        assert_eq!(answer, format!("hello\n{version}"));
    }
    let body = "x".repeat(300_000);
    let file = secure.folder.path().join("body");
    fs::write(&file, &body).unwrap();
    let sent = format!("@{}", file.display());
    secure.host.deploy(&Function::guest("echo"));
    assert_eq!(secure.trusted("/echo", &["--data-binary", &sent]).done(), body, "bodies, both ways");
    secure.host.deploy(&Function::guest("headers"));
    let seen = secure.trusted("/headers", &[]).done();
    assert!(seen.contains("\"scheme\":\"https\""), "the guest knows how it was asked: {seen}");
    let distrusted = secure.curl("/hello", &[]);
    assert_eq!(distrusted.status, Some(60), "curl's word for a certificate that it does not trust: {distrusted:?}");
    let plain = ran(Command::new("curl")
        .args(["--silent", "--max-time", "30", "--noproxy", "*"])
        .arg(format!("{}/hello", secure.host.data_url.replace("https", "http"))));
    assert_ne!(plain.status, Some(0), "nobody answers in the clear: {plain:?}");
    // The command line finds the server by its data directory, as ever.
    assert_eq!(secure.host.modelet(["invoke", "/hello"]).done(), "hello\n");
}

#[test]
fn a_client_that_never_agrees_keeps_nobody_out_and_no_server_from_its_end() {
    let secure = Secure::start("[limits]\nconnections = 3\n");
    let address = secure.host.data_url.replace("https", "http");
    let silent = [Wire::connect(&address), Wire::connect(&address)];
    assert_eq!(secure.trusted("/hello", &[]).done(), "hello\n");
    secure.host.stop();
    drop(silent);
}

#[test]
fn a_certificate_is_renewed_without_a_restart_and_a_broken_one_is_not_taken() {
    let secure = Secure::start("");
    let [cert, old] = ["cert.pem", "old.pem"].map(|name| secure.folder.path().join(name));
    fs::rename(secure.folder.path().join("ca.pem"), &old).unwrap();
    let next = Authority::make();
    next.lay(&secure.folder.path().join("ca.pem"));
    next.lay_certificate(&[NAME], secure.folder.path());
    assert_eq!(secure.trusted("/hello", &[]).status, Some(60), "not before it is told");
    process::signal(secure.host.pid, "HUP");
    until("the next certificate is shown", || (secure.trusted("/hello", &[]).status == Some(0)).then_some(()));
    assert_eq!(secure.curl("/hello", &["--cacert", old.to_str().unwrap()]).status, Some(60));
    fs::write(&cert, "no certificate").unwrap();
    process::signal(secure.host.pid, "HUP");
    let _ = secure.host.logged(&["SIGHUP", "cert.pem"]);
    assert_eq!(secure.trusted("/hello", &[]).done(), "hello\n", "the running one stays");
}

#[test]
fn the_admin_api_by_https_wants_a_key_and_is_asked_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::make();
    let ca = folder.path().join("ca.pem");
    authority.lay(&ca);
    authority.lay_certificate(&["localhost"], folder.path());
    let host = TestHost::configured(&section(folder.path(), "admin_"));
    assert!(host.admin_url.starts_with("https://"), "{}", host.admin_url);
    host.deploy(&Function::guest("hello"));
    let url = host.admin_url.replace("127.0.0.1", "localhost");
    let list = |arguments: &[&str]| {
        let mut command = modelet();
        command.args(["function", "list", "--url"]).arg(&url).args(arguments);
        ran(command.env("MODELET_KEY", host.key()).current_dir(folder.path()))
    };
    assert!(list(&["--ca-file", ca.to_str().unwrap()]).done().contains("hello"));
    let distrusted = list(&[]).refused();
    assert!(distrusted.contains("could not be asked") && distrusted.contains("ertificate"), "{distrusted}");
    let elsewhere = run_in(folder.path(), ["function", "list", "--url", "http://192.0.2.1:8081"]).refused();
    assert!(elsewhere.contains("show your key"), "{elsewhere}");
}
