//! A configuration is refused as a whole, with every fault and its place.

use std::path::Path;

use super::*;

fn load(text: &str) -> Result<Config, Faults> {
    Config::from_parts(Some((Path::new("modelet.toml"), text)), std::iter::empty(), &[])
}

fn faults(text: &str) -> Vec<String> {
    load(text).expect_err("the configuration has faults").0.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_set_is_the_defaults_of_the_contract() {
    let config = load("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.admin_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.data_dir, Path::new(".modelet"));
    assert_eq!(config.server.drain, Duration::from_secs(30));
}

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let text = "\
[server]
lisen = \"127.0.0.1:1\"
threads = 0
server_timing = \"yes\"
drain = \"soon\"

[sever]
[inference]
workers = \"many\"
[limits]
banana = 1
";
    let faults = faults(text);
    let starts = |n: usize, start: &str| assert!(faults[n].starts_with(start), "{n}: {faults:#?}");
    assert_eq!(faults.len(), 7, "{faults:#?}");
    let has = |what: &str| assert!(faults.iter().any(|f| f.starts_with(what)), "{what}: {faults:#?}");
    has("modelet.toml:2: unknown key `lisen` in [server]; did you mean `listen`?");
    has("modelet.toml:3: `server.threads` must be a whole number");
    has("modelet.toml:4: `server.server_timing` must be true or false");
    has("modelet.toml:5: `server.drain` is `soon`");
    has("modelet.toml:7: unknown section or key `sever`; did you mean `server`?");
    has("modelet.toml:9: `inference.workers` must be a whole number");
    has("modelet.toml:11: unknown key `banana` in [limits]");
    let sorted = ["modelet.toml:2", "modelet.toml:3", "modelet.toml:4", "modelet.toml:5", "modelet.toml:7"];
    sorted.iter().enumerate().for_each(|(n, start)| starts(n, start));
}

#[test]
fn what_a_restart_is_needed_for_is_named() {
    let running = load("[server]\nlog = \"info\"\ndrain = \"5s\"\nthreads = 2\n[limits]\nconnections = 9\n").unwrap();
    assert_eq!(running.needs_restart(&running.clone()), [""; 0]);
    let other = load("[server]\nlog = \"debug\"\ndrain = \"5s\"\nthreads = 3\n[inference]\nqueue = 9\n").unwrap();
    assert_eq!(other.needs_restart(&running), ["inference.queue", "limits.connections", "server.threads"]);
    assert_eq!(other.lost_file(&running), None);
    let without = Config::from_parts(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(without.lost_file(&running), Some(Path::new("modelet.toml")));
}

#[test]
fn threads_are_measured_or_a_number_or_shared() {
    let inference = |lines: &str| load(&format!("[inference]\n{lines}")).map(|config| config.inference);
    assert_eq!(inference("").unwrap().threads, Threads::Auto);
    assert_eq!(inference("threads = 4").unwrap().threads, Threads::Each(4));
    assert_eq!(inference("threads = \"shared\"").unwrap().threads, Threads::Shared);
    assert_eq!(inference("sessions = \"auto\"").unwrap().sessions, None);
    assert_eq!(inference("sessions = 3").unwrap().sessions, Some(3));
    let refused = faults("[inference]\nthreads = \"many\"\nsessions = 0\n");
    let expected = [
        "modelet.toml:2: `inference.threads` must be a whole number from 1 to 1024, `auto` or `shared`",
        "modelet.toml:3: `inference.sessions` must be a whole number from 1 to 1024, or `auto`",
    ];
    assert_eq!(refused, expected);
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let faults = faults("[server]\nlisten = \n");
    assert!(faults[0].starts_with("modelet.toml:2: not TOML"), "{faults:#?}");
}

#[test]
fn a_key_at_the_top_is_sent_to_its_section() {
    assert_eq!(faults("listen = \"127.0.0.1:1\""), ["modelet.toml:1: `listen` belongs into [server]"]);
}

#[test]
fn an_admin_listener_off_loopback_is_refused() {
    let faults = faults("[server]\nadmin_listen = \"0.0.0.0:8081\"\n");
    assert!(faults[0].starts_with("modelet.toml:2: `server.admin_listen` is 0.0.0.0:8081"), "{faults:#?}");
}

#[test]
fn an_admin_listener_off_loopback_wants_tls_or_to_be_meant() {
    let off = "[server]\nadmin_listen = \"0.0.0.0:8081\"\n";
    assert!(faults(off)[0].contains("`admin_cert_file`"), "{:#?}", faults(off));
    assert!(load(&format!("{off}admin_unencrypted = true\n")).is_ok());
    let half = faults(&format!("{off}admin_cert_file = \"cert.pem\"\n"));
    assert!(half[0].contains("without its key"), "{half:#?}");
    let missing = faults("[server]\ncert_file = \"none.pem\"\nkey_file = \"none.pem\"\n");
    assert!(missing[0].contains("`server.cert_file`") && missing[0].contains("none.pem"), "{missing:#?}");
}

#[test]
fn two_listeners_need_two_ports() {
    let faults = faults("[server]\nlisten = \"127.0.0.1:8081\"\n");
    assert!(faults[0].contains("both 127.0.0.1:8081"), "{faults:#?}");
}

#[test]
fn devices_are_read_in_order_and_each_has_a_bound() {
    let text =
        "[inference]\ndevices = \"cuda:0!, tensorrt:1, cpu\"\ndevice_memory = \"cuda:0=16GiB, tensorrt:1=1GB\"\n";
    let config = load(text).unwrap();
    let settings = devices::settings(&config);
    let told: Vec<String> = settings.iter().map(|one| format!("{} {}", one.wish, one.memory_max)).collect();
    let cpu = format!("cpu {}", config.limits.inference_memory.0);
    assert_eq!(told, ["cuda:0! 17179869184", "tensorrt:1 1000000000", cpu.as_str()]);
    assert_eq!(devices::settings(&load("").unwrap())[0].wish.to_string(), "cpu", "nothing set");
    let env = [("MODELET_INFERENCE_DEVICES".to_owned(), "cpu!".to_owned())].into_iter();
    assert!(Config::from_parts(None, env, &[]).unwrap().inference.devices[0].is_demanded);
}

#[test]
fn faults_of_devices_say_what_is_allowed() {
    for (line, expected) in [
        (
            "devices = \"gpu\"",
            "modelet.toml:2: `inference.devices` is `gpu`: \"gpu\" is not a device; write cpu, cuda:N",
        ),
        ("devices = \"cpu, cpu!\"", "names cpu twice"),
        ("devices = \",\"", "names no device"),
        ("devices = [\"cpu\"]", "must be text in quotes, not a list"),
        ("devices = \"cuda:0!, cpu\"", "modelet.toml:2: `inference.devices` names cuda:0, and nothing says how much"),
        ("device_memory = \"cuda:0=1GiB\"", "modelet.toml:2: `inference.device_memory` names cuda:0, which"),
        ("device_memory = \"cpu=1GiB\"", "the CPU's is `inference_memory` in [limits]"),
        ("device_memory = \"cuda:0\"", "write `cuda:0=16GiB`"),
        ("device_memory = \"cuda:0=lots\"", "\"lots\" is not a size"),
        ("device_memory = \"cuda:0=1GB, cuda:0=2GB\"", "names cuda:0 twice"),
        ("bind = \"sometimes\"", "can be `devices` or `always`"),
    ] {
        let faults = faults(&format!("[inference]\n{line}\n"));
        assert!(faults.len() == 1 && faults[0].contains(expected), "{line}: {faults:#?}");
    }
}

#[test]
fn the_environment_overrides_the_file_and_a_flag_overrides_both() {
    let file = Some((Path::new("modelet.toml"), "[server]\nthreads = 1\nlisten = \"127.0.0.1:1\"\n"));
    let env = || {
        let set = [("MODELET_SERVER_THREADS", "2"), ("MODELET_SERVER_LISTEN", "127.0.0.1:2"), ("MODELET_URL", "x")];
        set.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()))
    };
    let config = Config::from_parts(file, env(), &[]).unwrap();
    assert_eq!((config.server.threads, config.server.listen.port()), (2, 2));
    let flags = [("server", "listen", "--listen", "127.0.0.1:3".to_owned())];
    let config = Config::from_parts(file, env(), &flags).unwrap();
    assert_eq!((config.server.threads, config.server.listen.port()), (2, 3));
}

#[test]
fn an_unknown_variable_of_ours_is_a_fault() {
    let env = [("MODELET_SERVER_LISTN".to_owned(), "x".to_owned())].into_iter();
    let faults = Config::from_parts(None, env, &[]).expect_err("unknown");
    let text = faults.to_string();
    assert_eq!(
        text,
        "the configuration has a fault\nMODELET_SERVER_LISTN: unknown configuration variable; did you mean `MODELET_SERVER_LISTEN`?"
    );
}

#[test]
fn a_path_in_a_file_is_relative_to_that_file() {
    let text = "[server]\ndata_dir = \"data\"\n";
    let config = Config::from_parts(Some((Path::new("/etc/modelet.toml"), text)), std::iter::empty(), &[]).unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/data"));
}

#[test]
fn every_key_has_a_variable_and_a_line_of_help() {
    let help = help();
    for key in keys::all() {
        assert!(help.contains(&keys::env_name(&key)), "{}", key.name);
    }
}
