//! Secrets: given to the functions that name them, and to be found nowhere else.

use modelet_tests::files::lies_in;
use modelet_tests::tenants::{self, create};
use modelet_tests::wait::SetAtEnd;
use modelet_tests::{Function, Ran, TestHost, until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What is looked for: nothing else has these bytes.
const VALUE: &str = "v4lu3-0f-a-s3cr3t-th4t-n0b0dy-t3lls";

fn named(function: &str, secret: &str) -> Function {
    let settings = format!("[config]\nplain = \"p\"\napi_key = {{ secret = \"{secret}\" }}\n");
    Function::guest("settings").named(function).with(&settings)
}

fn set(host: &TestHost, name: &str, value: &str) -> Ran {
    host.modelet_fed(["secret", "set", name], value.as_bytes())
}

/// What a function reads under `api_key`.
fn read(host: &TestHost, function: &str) -> Value {
    host.get(&format!("/{function}?key=api_key&quiet=")).ok().json()["one"].clone()
}

fn key(host: &TestHost, arguments: &[&str]) -> String {
    host.modelet(["key", "create"].iter().chain(arguments)).done().trim().to_owned()
}

#[test]
fn a_secret_is_read_by_the_function_that_names_it_and_is_nowhere_else() {
    let mut host = TestHost::configured("[server]\nlog = \"trace\"\n");
    let mut told = Vec::new();
    let refused = host.try_deploy(&named("f", "stripe")).refused();
    assert!(refused.contains("config.api_key is the secret `stripe`") && refused.contains("modelet secret set stripe"));
    told.push(set(&host, "stripe", &format!("{VALUE}\n")).done());
    for _ in 0..2 {
        told.push(host.try_deploy(&named("f", "stripe")).done());
    }
    assert_eq!(read(&host, "f"), VALUE, "as it was sent, without the end of the line");
    assert_eq!(host.get("/f?key=plain&quiet=").ok().json(), json!({ "one": "p", "all": 2 }));
    for command in [
        ["function", "show", "f", "--json"].as_slice(),
        &["function", "list", "--json"],
        &["function", "versions", "f"],
        &["function", "show", "f", "--at", "1ms"],
        &["traffic", "f", "1=50", "2=50", "--json"],
        &["traffic", "f", "--off"],
        &["rollback", "f"],
        &["secret", "list"],
        &["secret", "list", "--json"],
        &["tenant", "show", "default"],
        &["restore", "--at", "1ms", "--dry-run"],
    ] {
        told.push(host.modelet(command).done());
    }
    told.push(host.modelet(["secret", "remove", "stripe"]).refused());
    told.push(host.modelet_fed(["secret", "set", "Bad Name"], VALUE.as_bytes()).stderr);
    let not_text = [VALUE.as_bytes(), b"\xff"].concat();
    for (path, body, status, code) in [
        ("/v1/secrets/x", not_text.as_slice(), 400, "bad-request"),
        ("/v1/secrets/x", &VALUE.repeat(2000).into_bytes(), 413, "too-large"),
        ("/v1/secrets/x?tenant=ghost", VALUE.as_bytes(), 404, "no-tenant"),
        ("/v1/secrets/x?value=1", VALUE.as_bytes(), 400, "bad-request"),
        ("/v1/secrets/UPPER", VALUE.as_bytes(), 400, "bad-request"),
    ] {
        let answer = host.admin("PUT", path, body);
        told.push(answer.text());
        answer.problem(status, code);
    }
    told.push(host.admin("GET", "/v1/secrets/stripe", b"").text());
    let scraped = |path: &str| host.admin_bare("GET", path).ok().text();
    told.extend(["/metrics", "/readyz", "/openapi.json"].map(scraped));
    host.restart();
    assert_eq!(read(&host, "f"), VALUE);
    assert_eq!(set(&host, "stripe", "another").done().trim(), "stripe is set\n  f has the new value");
    assert_eq!(read(&host, "f"), "another");
    told.push(set(&host, "stripe", VALUE).done());
    assert_eq!(read(&host, "f"), VALUE);
    host.halt();
    for told in told {
        assert!(!told.contains(VALUE), "{told}");
    }
    assert_eq!(lies_in(&host.data_dir(), VALUE.as_bytes()), None);
    assert!(!host.log().contains(VALUE));
    assert!(host.log().contains("set a secret"), "what was looked through is the log");
    let mode = |file: &str| fs::metadata(host.data_dir().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("secret.key"), 0o600);
}

#[test]
fn a_new_value_reaches_every_request_that_comes_after_it_and_none_fails() {
    let host = TestHost::start();
    set(&host, "token", "value-0").done();
    host.deploy(&named("f", "token"));
    host.deploy(&Function::guest("settings").named("other").with("[config]\nthreshold = \"1\"\n"));
    host.modelet(["function", "scale", "f", "--min", "1"]).done();
    assert_eq!(read(&host, "f"), "value-0");
    assert_eq!(host.get("/other?quiet=").status, 200);
    let (stop, latest) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = SetAtEnd(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let at_least = latest.load(Ordering::SeqCst);
                    let value = read(&host, "f");
                    let number: usize = value.as_str().unwrap().strip_prefix("value-").unwrap().parse().unwrap();
                    assert!(number >= at_least, "{value} after value-{at_least} was set");
                }
            });
        }
        for number in 1..=5 {
            set(&host, "token", &format!("value-{number}")).done();
            latest.store(number, Ordering::SeqCst);
        }
    });
    assert_eq!(read(&host, "f"), "value-5");
    let shown = |function: &str| host.modelet(["function", "show", function, "--json"]).json()["instances"].clone();
    assert_eq!(shown("f")["kept"], 1);
    assert_ne!(shown("other")["warmth"], "disk", "who does not name it is not touched");
    host.stop();
}

#[test]
fn another_tenants_secret_is_not_reachable_by_name() {
    let host = TestHost::start();
    for tenant in ["acme", "beta"] {
        create(&host, tenant, &[&format!("/{tenant}")]);
    }
    let function = |tenant: &str| named("f", "token").route(&format!("path = \"/{tenant}/f\"\nauth = \"none\""));
    host.modelet_fed(["secret", "set", "token", "--tenant", "acme"], VALUE.as_bytes()).done();
    tenants::deploy(&host, "acme", &function("acme"));
    assert_eq!(host.get("/acme/f?key=api_key&quiet=").ok().json()["one"], VALUE);
    let refused = tenants::try_deploy(&host, "beta", &function("beta")).refused();
    assert!(refused.contains("there is none of that name"), "{refused}");
    let beta = key(&host, &["--scope", "admin", "--tenant", "beta"]);
    assert_eq!(host.admin_as(&beta, "GET", "/v1/secrets", b"").ok().json(), json!({ "secrets": [] }));
    host.admin_as(&beta, "DELETE", "/v1/secrets/token", b"").problem(404, "no-secret");
    host.admin_as(&beta, "PUT", "/v1/secrets/token?tenant=acme", b"mine").problem(404, "no-tenant");
    host.admin_as(&beta, "POST", "/v1/secret-key/rotate", b"").problem(403, "not-the-operator");
    // Its own of the same name is another.
    assert_eq!(host.admin_as(&beta, "PUT", "/v1/secrets/token", b"betas").status, 201);
    tenants::deploy(&host, "beta", &function("beta"));
    assert_eq!(host.get("/beta/f?key=api_key&quiet=").ok().json()["one"], "betas");
    assert_eq!(host.get("/acme/f?key=api_key&quiet=").ok().json()["one"], VALUE);

    // Who reads lists, who deploys sets; whose key is bound does neither, and deploys with what the function has already.
    let reader = key(&host, &["--scope", "read", "--tenant", "acme"]);
    let deployer = key(&host, &["--scope", "deploy", "--tenant", "acme"]);
    let listed = host.admin_as(&reader, "GET", "/v1/secrets", b"").ok().json();
    assert_eq!(listed["secrets"][0]["name"], "token");
    assert!(
        listed["secrets"][0]["set_by"] == "admin" && listed["secrets"][0]["set_ms"].as_u64().unwrap() > 0,
        "{listed}"
    );
    host.admin_as(&reader, "PUT", "/v1/secrets/x", b"y").problem(403, "forbidden");
    assert_eq!(host.admin_as(&deployer, "PUT", "/v1/secrets/x", b"y").status, 201);
    let bound = key(&host, &["--scope", "deploy", "--scope", "read", "--tenant", "acme", "--function", "f"]);
    host.admin_as(&bound, "GET", "/v1/secrets", b"").problem(403, "forbidden");
    host.admin_as(&bound, "PUT", "/v1/secrets/x", b"y").problem(403, "forbidden");
    let deploy = |secret: &str| {
        let digest = host.admin_as(&bound, "GET", "/v1/functions/f", b"").ok().json()["digest"].clone();
        let manifest =
            json!({ "name": "f", "route": [{ "path": "/acme/f" }], "config": { "k": { "secret": secret } } });
        let body = json!({ "manifest": manifest, "component": digest }).to_string();
        host.admin_as(&bound, "POST", "/v1/functions", body.as_bytes())
    };
    deploy("x").problem(403, "forbidden");
    assert_eq!(deploy("token").status, 201, "{}", deploy("token").text());
    host.modelet(["tenant", "limits", "acme", "secrets=2"]).done();
    host.admin_as(&deployer, "PUT", "/v1/secrets/third", b"y").problem(403, "quota-exceeded");
    host.modelet(["tenant", "remove", "acme", "--force"]).done();
    assert_eq!(lies_in(&host.data_dir(), VALUE.as_bytes()), None);
    host.stop();
}

#[test]
fn a_secret_that_is_removed_by_force_is_found_no_longer() {
    let mut host = TestHost::start();
    set(&host, "token", "one").done();
    host.deploy(&named("f", "token"));
    let refused = host.modelet(["secret", "remove", "token"]).refused();
    assert!(refused.contains("named by the functions f") && refused.contains("--force"), "{refused}");
    assert_eq!(read(&host, "f"), "one");
    assert!(host.modelet(["secret", "remove", "token", "--force"]).done().contains("f finds it no longer"));
    for restarted in [false, true] {
        if restarted {
            host.restart();
        }
        assert_eq!(read(&host, "f"), Value::Null);
    }
    assert!(host.modelet(["secret", "remove", "token"]).refused().contains("no secret"));
    set(&host, "token", "two").done();
    assert_eq!(read(&host, "f"), "two", "and again, once it is set");
    host.deploy(&Function::guest("settings").named("f"));
    host.modelet(["secret", "remove", "token"]).done();
    let refused = host.modelet(["rollback", "f"]).refused();
    assert!(refused.contains("`token`") && refused.contains("secret set"), "{refused}");
    host.stop();
}

#[test]
fn without_its_key_a_secret_stays_closed_and_functions_that_name_none_go_on() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("hello"));
    set(&host, "token", "one").done();
    host.deploy(&named("f", "token"));
    let (file, aside) = (host.data_dir().join("secret.key"), host.scratch().join("aside"));
    for instead in [None, Some("0".repeat(64)), Some("damaged".to_owned())] {
        host.halt();
        fs::rename(&file, &aside).unwrap();
        if let Some(text) = &instead {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        host.start_again();
        assert_eq!(host.get("/hello").status, 200);
        assert_eq!(host.get("/f").status, 404);
        let ready = host.readiness();
        assert!(ready["failed"][0].as_str().unwrap().starts_with("f: "), "{ready}");
        assert!(!ready.to_string().contains("secret.key"), "no place of the server: {ready}");
        assert!(host.log().contains("secret.key"), "the log names the file");
        host.halt();
        fs::rename(&aside, &file).unwrap();
        host.start_again();
        assert_eq!(read(&host, "f"), "one");
    }
    host.stop();
}

#[test]
fn another_key_opens_what_the_one_before_has_sealed_and_may_lie_elsewhere() {
    let mut host = TestHost::configured("[server]\nsecret_key_file = \"keys.secret\"\n");
    let file = host.scratch().join("keys.secret");
    set(&host, "token", VALUE).done();
    set(&host, "other", "x").done();
    host.deploy(&named("f", "token"));
    assert!(!host.data_dir().join("secret.key").exists());
    let before = fs::read_to_string(&file).unwrap();
    let hidden = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0;
    assert!(hidden(&file) && before.trim().len() == 64);
    assert_eq!(lies_in(&host.data_dir(), before.trim().as_bytes()), None, "a copy of the data directory tells nothing");
    assert_eq!(host.modelet(["secret", "rekey"]).done().trim(), "2 secrets are sealed with another key");
    let after = fs::read_to_string(&file).unwrap();
    assert!(after != before && after.lines().count() == 1 && hidden(&file), "one key, and another");
    host.kill_and_restart();
    assert_eq!(read(&host, "f"), VALUE);
    set(&host, "token", "new").done();
    assert_eq!(read(&host, "f"), "new");
    host.stop();
}

#[test]
fn no_warm_start_image_has_a_secret() {
    let host = TestHost::start();
    set(&host, "token", VALUE).done();
    let function = Function::guest("init_settings").with("[config]\napi_key = { secret = \"token\" }\n");
    let said = host.try_deploy(&function).done();
    assert!(said.contains("no warm-start image") && said.contains("it called `wasi:config/store@0.2"), "{said}");
    assert_eq!(host.get("/init-settings").ok().text(), format!("{VALUE}\n"));
    assert_eq!(lies_in(&host.data_dir(), VALUE.as_bytes()), None);
    until("the answer is logged", || host.log().contains("init-settings").then_some(()));
    assert!(!host.log().contains(VALUE));
    host.stop();
}

#[test]
fn a_value_comes_from_stdin_or_a_file_and_never_from_the_command_line() {
    let host = TestHost::start();
    host.deploy(&Function::guest("hello"));
    let file = host.scratch().join("value");
    fs::write(&file, "with an end\n").unwrap();
    host.modelet(["secret", "set", "of-file", "--file", file.to_str().unwrap()]).done();
    host.deploy(&named("f", "of-file"));
    assert_eq!(read(&host, "f"), "with an end\n", "byte for byte");
    set(&host, "of-file", "two\nlines\r\n").done();
    assert_eq!(read(&host, "f"), "two\nlines");
    assert!(set(&host, "empty", "\n").refused().contains("not empty"));
    assert_eq!(host.modelet(["secret", "set", "name", "value"]).status, Some(2));
    let listed = host.modelet(["secret", "list"]).done();
    assert!(listed.lines().count() == 2 && listed.contains("of-file"), "{listed}");
    host.stop();
}
