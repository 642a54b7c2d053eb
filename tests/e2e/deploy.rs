//! What is refused before it serves, and what the refusal says.

use modelet_tests::{Function, TestHost, places, shared};
use std::fs;

#[track_caller]
fn refused(host: &TestHost, function: &Function) -> String {
    host.try_deploy(function).refused()
}

#[test]
fn a_component_that_imports_what_is_not_offered_is_refused_and_the_import_named() {
    let line = refused(shared(), &Function::guest("secret"));
    assert!(line.contains("modelet:test/secret@1.0.0"), "{line}");
    assert_eq!(shared().get("/secret").status, 404);
}

#[test]
fn a_program_that_answers_no_http_is_refused() {
    let line = refused(shared(), &Function::guest("command"));
    assert!(line.contains("wasi:http/incoming-handler") && line.contains("wasi:cli/run"), "{line}");
}

#[test]
fn a_core_module_random_bytes_and_nothing_are_refused() {
    let host = shared();
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    let files: [(&str, &[u8], &str); 5] = [
        ("core", b"\0asm\x01\0\0\0", "core"),
        ("random", &[0x9e, 0x37, 0x79, 0xb9, 0x7f, 0x4a, 0x7c, 0x15, 0xf3, 0x9c, 0xc0, 0x60], "component"),
        ("text", b"int main() { return 0; }", "component"),
        ("empty", b"", "component"),
        ("hollow", b"\0asm\x0d\0\x01\0", "wasi:http/incoming-handler"),
    ];
    for (name, bytes, said) in files {
        let file = folder.path().join(format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        let line = refused(host, &Function::component(name, file));
        assert!(line.contains(said), "{name}: {line}");
    }
}

#[test]
fn a_component_that_is_cut_or_damaged_is_refused() {
    let host = shared();
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    let whole = fs::read(places::guest("hello")).unwrap();
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    for (name, bytes) in [("cut", &whole[..whole.len() * 2 / 3]), ("damaged", &damaged)] {
        let file = folder.path().join(format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        let line = refused(host, &Function::component(name, file));
        assert!(!line.contains("panick"), "{line}");
    }
    assert_eq!(host.get(&host.guest("hello")).status, 200);
}

#[test]
fn a_file_that_is_no_onnx_model_is_refused_at_push() {
    let host = shared();
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    let digits = fs::read(places::model("digits")).unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("text", b"this is no model"),
        ("empty", b""),
        ("cut", &digits[..digits.len() / 2]),
        ("wasm", b"\0asm\x0d\0\x01\0"),
    ];
    for (name, bytes) in files {
        let file = folder.path().join(format!("{name}.onnx"));
        fs::write(&file, bytes).unwrap();
        let line = host.modelet(["model", "push", &file.display().to_string(), "--name", name]).refused();
        assert!(line.contains("model"), "{name}: {line}");
        assert_eq!(host.modelet(["model", "show", name]).status, Some(1), "{name} left something behind");
    }
}

#[test]
fn a_model_that_overruns_the_stack_or_the_clock_at_load_does_not_take_the_server_along() {
    let host = TestHost::start();
    for name in ["function_chain", "function_doubling"] {
        let file = places::model(name).display().to_string();
        let alias = name.replace('_', "-");
        let line = host.modelet(["model", "push", &file, "--name", &alias]).refused();
        assert!(line.contains("model"), "{name}: {line}");
        assert_eq!(host.get(&host.guest("hello")).status, 200, "after {name}");
    }
    host.stop();
}

#[test]
fn a_model_that_was_never_pushed_is_refused_with_the_way_to_push_it() {
    let line = refused(shared(), &Function::guest("nn").named("no-model").model_ref("m", "nobody@1"));
    assert!(line.contains("nobody") && line.contains("modelet model push"), "{line}");
}

#[test]
fn a_route_that_another_function_has_is_refused() {
    let host = shared();
    host.once(&Function::guest("hello").named("first-come").route("path = \"/taken\""));
    let line = refused(host, &Function::guest("echo").named("second-come").route("path = \"/taken\""));
    assert!(line.contains("/taken"), "{line}");
    assert_eq!(host.get("/taken").ok().text(), "hello\n", "the first still answers");
}

#[test]
fn reserved_paths_are_refused() {
    for path in ["/v1/models", "/v1/models/x", "/v2", "/v2/health/live", "/openai/v1/embeddings"] {
        let route = format!("path = {path:?}");
        let line = refused(shared(), &Function::guest("hello").named("greedy").route(&route));
        assert!(line.contains("reserved"), "{path}: {line}");
    }
}

#[test]
fn all_faults_of_a_manifest_are_told_at_once_with_their_lines() {
    let host = shared();
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    let manifest = "name = \"Bad Name\"\nrout = 1\n[build]\ncomponent = \"x.wasm\"\n[limits]\nmemory = \"lots\"\n[[route]]\npath = \"no-slash\"\n";
    fs::write(folder.path().join("function.toml"), manifest).unwrap();
    let ran = host.modelet(["deploy", &folder.path().display().to_string()]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
    for line in ["function.toml:1", "function.toml:2", "function.toml:6", "function.toml:8"] {
        assert!(ran.stderr.contains(line), "{line} is not in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("route"), "the key that was meant: {}", ran.stderr);
}

#[test]
fn a_new_version_replaces_the_old_one_without_a_gap() {
    let host = shared();
    let route = "path = \"/replaced\"";
    let old = Function::guest("hello").named("replaced").route(route);
    let new = Function::guest("status").named("replaced").route(route);
    host.deploy(&old);
    assert_eq!(host.get("/replaced").ok().text(), "hello\n");
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| host.deploy(&new));
        while !deploy.is_finished() {
            let answer = host.get("/replaced").ok();
            assert!(matches!(answer.text().as_str(), "hello\n" | "status 200\n"), "{}", answer.text());
        }
    });
    assert_eq!(host.get("/replaced?code=202").status, 202);
    let shown = host.modelet(["function", "show", "replaced", "--json"]).json();
    assert_eq!(shown["version"], 2, "{shown}");
}

#[test]
fn deploying_needs_no_folder() {
    let host = shared();
    let wasm = places::guest("nn").display().to_string();
    let digits = format!("digits={}", places::model("digits").display());
    let arguments = ["deploy", &wasm, "--name", "direct", "--route", "/direct", "--model", &digits, "--config", "a=b"];
    let said = host.modelet(arguments).done();
    assert!(said.contains("direct version 1") && said.contains("/direct"), "{said}");
    let inputs = vec![modelet_tests::nn::part("X", modelet_tests::frame::Kind::Fp32, &[1, 64], vec![0; 256])];
    let outputs = modelet_tests::nn::compute(host, "/direct", "digits", inputs).unwrap();
    assert_eq!(outputs.len(), 2);
}

#[test]
fn pushing_the_same_model_again_makes_no_new_version() {
    let host = shared();
    let push = |file: &str| {
        let file = places::model(file).display().to_string();
        host.modelet(["model", "push", &file, "--name", "twice", "--json"]).json()
    };
    assert_eq!((&push("digits")["version"], &push("digits")["version"]), (&1.into(), &1.into()));
    assert_eq!(push("identity_f32")["version"], 2);
    host.deploy(&Function::guest("nn").named("pinned").model_ref("m", "twice@1"));
    let shown = host.modelet(["function", "show", "pinned", "--json"]).json();
    assert_eq!(shown["models"][0]["version"], 1, "{shown}");
}
