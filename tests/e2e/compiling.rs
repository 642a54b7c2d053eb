//! Components are compiled in a process of their own: within its limits, with nothing of the server's, and nobody else notices.

use crate::bytes::{leb, section};
use modelet_tests::{Function, TestHost, places, process, until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What a deploy may take of the server's own memory: the component's bytes, more than once, and what answers a request.
const GROWTH_MAX: u64 = 96 << 20;

/// The guest `hello`, with a module beside it that nothing uses: so many functions, each of so many operations.
fn slow_to_compile(functions: usize, operations: usize) -> Vec<u8> {
    let one = || {
        // local 0; then again and again: multiply by a constant, rotate, xor with the local.
        let turn = |at: usize| [&[0x41][..], &leb(at % 60 + 3), &[0x6c, 0x41, 7, 0x77, 0x20, 0, 0x73]].concat();
        let code: Vec<u8> = (0..operations).flat_map(turn).collect();
        let body = [&[0, 0x20, 0][..], &code, &[0x0b]].concat();
        [leb(body.len()), body].concat()
    };
    let types = section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]);
    let declared = section(3, &[leb(functions), vec![0; functions]].concat());
    let code = section(10, &[leb(functions), one().repeat(functions)].concat());
    let module = [&b"\0asm\x01\0\0\0"[..], &types, &declared, &code].concat();
    [fs::read(places::guest("hello")).unwrap(), section(1, &module)].concat()
}

/// Seconds of processor time, in any build.
fn slow(host: &TestHost, name: &str) -> Function {
    laid(host, name, &slow_to_compile(150, 2000))
}

fn laid(host: &TestHost, name: &str, wasm: &[u8]) -> Function {
    let file = host.scratch().join(format!("{name}.wasm"));
    fs::write(&file, wasm).unwrap();
    Function::component(name, file)
}

fn compiles(host: &TestHost, outcome: &str) -> f64 {
    host.metrics().sum("modelet_compiles_total", &[("outcome", outcome)])
}

/// The server's processes that compile now.
fn compilers(host: &TestHost) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let said = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent(*pid) == Some(host.pid) && said.split(|byte| *byte == 0).any(|word| word == b"compile")
    };
    processes.filter(is_ours).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

fn compiler(host: &TestHost) -> u32 {
    until("a component is being compiled", || compilers(host).first().copied())
}

/// Deploys by the API; returns the answer, whatever it is.
fn post(host: &TestHost, name: &str, wasm: &[u8]) -> modelet_tests::Answer {
    let blob = host.admin("POST", "/v1/blobs", wasm).json();
    let deploy = json!({
        "manifest": { "name": name, "route": [{ "path": format!("/{name}"), "auth": "none" }] },
        "component": blob["digest"],
    });
    host.admin("POST", "/v1/functions", deploy.to_string().as_bytes())
}

/// Refused for one reason; the server has not grown, answers on, and nothing of it stays.
fn refused(limits: &str, wasm: &[u8], code: &str) -> String {
    let mut host = TestHost::start();
    let hello = host.guest("hello");
    // From now on only: on a busy machine `hello` would be refused, too.
    fs::write(host.scratch().join("modelet.toml"), format!("[limits]\n{limits}\n")).unwrap();
    host.restart();
    let before = process::resident_bytes(host.pid);
    let detail = post(&host, "slow", wasm).problem(422, code);
    assert!(detail.starts_with("the component was not compiled: "), "{detail}");
    assert_eq!(host.get(&hello).ok().text(), "hello\n");
    assert_eq!((compiles(&host, "compiled"), compiles(&host, "died")), (0.0, 1.0));
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the server itself grew by {} MiB", grown >> 20);
    assert_eq!(fs::read_dir(host.data_dir().join("tmp")).unwrap().count(), 0, "what was written goes with it");
    assert_eq!(host.modelet(["function", "show", "slow"]).status, Some(1));
    host.stop();
    detail
}

#[test]
fn a_deploy_compiles_in_a_process_of_its_own_and_says_how_long_it_took() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    let (before, used) = (process::resident_bytes(host.pid), process::cpu_seconds(host.pid));
    let deployed = post(&host, "slow", &slow_to_compile(400, 2000));
    assert_eq!(deployed.status, 201, "{}", deployed.text());
    let (used, deployed) = (process::cpu_seconds(host.pid) - used, deployed.json());
    let cpu = deployed["compile"]["cpu_ms"].as_f64().unwrap() / 1e3;
    assert!(cpu > 1.0 && used < cpu / 2.0, "the compiler took {cpu} s, the server {used} s: {deployed}");
    assert!(deployed["compile"]["ms"].as_u64().unwrap() > 0, "{deployed}");
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the server itself grew by {} MiB", grown >> 20);
    assert_eq!((host.get("/slow").ok().text(), host.get(&hello).ok().text()), ("hello\n".into(), "hello\n".into()));
    let metrics = host.metrics();
    assert_eq!(compiles(&host, "compiled"), 2.0);
    assert!(metrics.sum("modelet_compile_cpu_seconds_total", &[]) >= cpu);
    assert!(metrics.sum("modelet_compile_seconds_total", &[]) > 0.0);
    // The same bytes again take no compiler.
    let again = post(&host, "again", &slow_to_compile(400, 2000)).json();
    assert_eq!(again["compile"], Value::Null, "{again}");
    assert_eq!(compiles(&host, "compiled"), 2.0);
    let said = host.try_deploy(&laid(&host, "other", &slow_to_compile(1, 1))).done();
    assert!(said.contains("compiled in "), "{said}");
    host.stop();
}

#[test]
fn a_component_that_takes_too_much_is_refused_with_what_it_was() {
    let long = slow_to_compile(2000, 2000);
    let detail = refused("compile_cpu = \"1s\"", &long, "compile-cpu");
    assert!(detail.contains("more than 1 s of processor time (server limit `compile_cpu`)"), "{detail}");
    let detail = refused("compile_time = \"500ms\"", &long, "compile-time");
    assert!(detail.contains("longer than 0.5 s (server limit `compile_time`)"), "{detail}");
}

#[test]
fn a_component_that_takes_too_much_memory_is_refused_with_the_limit() {
    // Enough for the binary, its threads and `hello`; a function is compiled as a whole.
    let detail = refused("compile_memory = \"512MiB\"", &slow_to_compile(8, 400_000), "compile-memory");
    assert!(detail.contains("more than 512 MiB of memory (server limit `compile_memory`)"), "{detail}");
}

#[test]
fn a_compiler_that_is_killed_is_a_refusal_and_the_next_deploy_works() {
    let host = TestHost::start();
    let slow = slow_to_compile(2000, 2000);
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| post(&host, "slow", &slow));
        // One that neither Rust nor wasmtime has a handler for.
        process::signal(compiler(&host), "ABRT");
        deploy.join().unwrap()
    });
    let detail = answer.problem(422, "compile-crashed");
    assert!(detail.contains("its compiler crashed: it gave up (signal 6)"), "{detail}");
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| post(&host, "slow", &slow));
        process::signal(compiler(&host), "KILL");
        deploy.join().unwrap()
    });
    let detail = answer.problem(503, "compile-killed");
    assert!(detail.contains("try again") && answer.header("retry-after").is_some(), "{detail}");
    assert_eq!(compiles(&host, "died"), 2.0);
    assert_eq!(host.get(&host.guest("hello")).ok().text(), "hello\n");
    host.stop();
}

#[test]
fn compilers_are_gentle_come_one_at_a_time_and_have_nothing_of_the_servers() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    let functions = [slow(&host, "one"), slow(&host, "two"), slow(&host, "three")];
    // Not the same bytes: they would be compiled once.
    for (at, name) in ["one", "two", "three"].into_iter().enumerate() {
        fs::write(host.scratch().join(format!("{name}.wasm")), slow_to_compile(150 + at, 2000)).unwrap();
    }
    std::thread::scope(|scope| {
        let deploys: Vec<_> = functions.iter().map(|function| scope.spawn(|| host.deploy(function))).collect();
        let pid = compiler(&host);
        until("it has limited itself", || stands_back(pid, &host).then_some(()));
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
        let mut looks = 0;
        while deploys.iter().any(|deploy| !deploy.is_finished()) {
            let running = compilers(&host);
            assert!(running.len() <= 1, "{running:?}");
            for held in running.iter().filter(|pid| stands_back(**pid, &host)).flat_map(|pid| descriptors(*pid)) {
                assert!(is_its_own(&held, &host), "{}", held.display());
                looks += 1;
            }
            assert_eq!(host.get(&hello).ok().text(), "hello\n", "and the server answers meanwhile");
        }
        assert!(looks > 0);
    });
    assert_eq!(compiles(&host, "compiled"), 4.0);
    assert!(compilers(&host).is_empty());
    host.stop();
}

/// Whether a compiler has limited itself: it stands ten steps behind the server, or as far as one can.
fn stands_back(pid: u32, host: &TestHost) -> bool {
    let server = nice(host.pid).unwrap();
    nice(pid).is_some_and(|nice| nice == (server + 10).min(19))
}

/// How far a process stands back.
fn nice(pid: u32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()
}

/// What the descriptors of a process lead to.
fn descriptors(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// A pipe to the server, or a file that is read or written for this compilation.
fn is_its_own(held: &Path, host: &TestHost) -> bool {
    let is_pipe = held.to_string_lossy().starts_with("pipe:");
    let places = ["blobs", "tmp"].map(|folder| host.data_dir().join(folder));
    let is_system = ["/proc", "/sys"].iter().any(|place| held.starts_with(place));
    is_pipe || is_system || places.iter().any(|place| held.starts_with(fs::canonicalize(place).unwrap()))
}

#[test]
fn code_of_another_engine_is_made_again_in_a_process_of_its_own() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("hello"));
    host.halt();
    let folder = host.data_dir().join("compiled");
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        fs::rename(&file, file.with_file_name("of-another-engine.cwasm")).unwrap();
    }
    host.start_again();
    assert_eq!(compiles(&host, "compiled"), 1.0, "at the start, before anybody asks");
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    host.stop();
}
