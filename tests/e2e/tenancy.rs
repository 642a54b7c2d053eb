//! Tenants as the operator has them: what they may claim, what they may have, and how they go.

use modelet_tests::raw::Wire;
use modelet_tests::tenants::{create, deploy, post, try_deploy};
use modelet_tests::{Function, TestHost, places, shared, until};
use serde_json::{Value, json};
use std::fs;

fn hello(name: &str, route: &str) -> Function {
    Function::guest("hello").named(name).route(&format!("{route}\nauth = \"none\""))
}

fn at(host: &TestHost, name: &str, path: &str) -> u16 {
    host.send("GET", path, &[("host", name)], b"").status
}

#[test]
fn a_tenant_is_made_listed_shown_and_limited_by_the_command_line() {
    let host = TestHost::start();
    let made = ["tenant", "create", "acme", "--host", "acme.example", "--path", "/acme", "--path", "/a/b"];
    let said = host.modelet(made).done();
    let may = "the hosts acme.example; without a host, /a/b, /acme and the paths below";
    assert_eq!(said.trim_end(), format!("acme is made; it may claim {may}"));
    let line = host.modelet(made).refused();
    assert!(line.contains("acme exists already") || line.contains("another tenant has it"), "{line}");

    let listed = host.modelet(["tenant", "list", "--json"]).json();
    let names: Vec<_> = listed["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["name"]).collect();
    assert_eq!(names, ["acme", "default"]);
    assert!(host.modelet(["tenant", "list"]).done().contains("acme.example"));

    let limited = host.modelet(["tenant", "limits", "acme", "concurrency=8", "memory=256MiB", "functions=1"]).done();
    assert!(limited.contains("concurrency = 8") && limited.contains("memory = 256MiB"), "{limited}");
    let limits = host.modelet(["tenant", "limits", "acme", "concurrency=none", "--json"]).json();
    assert_eq!(limits, json!({ "functions": 1, "memory": "256MiB" }));
    let line = host.modelet(["tenant", "limits", "acme", "gpus=1"]).refused();
    assert!(line.contains("gpus") && line.contains("concurrency"), "what there is is told: {line}");

    deploy(&host, "acme", &hello("one", "path = \"/acme/one\""));
    let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
    assert_eq!((&shown["usage"]["functions"], &shown["usage"]["models"]), (&json!(1), &json!(0)), "{shown}");
    let line = try_deploy(&host, "acme", &hello("two", "path = \"/acme/two\"")).refused();
    assert!(line.contains("may have 1 functions, and has 1") && line.contains("quota-exceeded"), "{line}");
    deploy(&host, "acme", &hello("one", "path = \"/acme/other\""));
    assert_eq!((host.get("/acme/other").status, host.get("/acme/one").status), (200, 404));
    host.stop();
}

#[test]
fn a_tenant_is_made_with_its_limits_or_not_at_all() {
    let host = TestHost::start();
    let create = |more: &[&str]| host.modelet(["tenant", "create", "acme", "--path", "/acme"].iter().chain(more));
    for (limits, said) in [
        (&["gpus=1"][..], "concurrency"),
        (&["memory=lots"], "lots"),
        (&["concurrency=0"], "with 0 of concurrency no function could answer"),
        (&["--weight", "101"], "from 1 to 100"),
    ] {
        let line = create(limits).refused();
        assert!(line.contains(said) && line.contains("(bad-limits)"), "{limits:?}: {line}");
    }
    let wrong = create(&["concurrency"]);
    assert!(wrong.status == Some(2) && wrong.stderr.contains("LIMIT=VALUE"), "{wrong:?}");
    let said = create(&["functions=1", "requests_per_second=1", "--weight", "3"]).done();
    assert!(said.starts_with("acme is made; ") && said.contains("functions = 1\n") && said.contains("weight = 3\n"));
    let limits = host.modelet(["tenant", "limits", "acme", "--json"]).json();
    assert_eq!(limits, json!({ "functions": 1, "requests_per_second": 1, "weight": 3 }));
    let audit = host.modelet(["audit", "--tenant", "acme", "--json"]).json();
    let kinds: Vec<_> = audit["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    assert_eq!(kinds, ["tenant.limits", "tenant.create"], "and nothing of what was refused");
    deploy(&host, "acme", &hello("one", "path = \"/acme/one\""));
    assert!(try_deploy(&host, "acme", &hello("two", "path = \"/acme/two\"")).refused().contains("quota-exceeded"));
    until("there are two requests in a second", || (host.get("/acme/one").status == 429).then_some(()));
    host.stop();
}

#[test]
fn a_deploy_outside_of_what_a_tenant_was_given_is_refused_by_the_rule_and_leaves_nothing() {
    let host = TestHost::start();
    host.modelet(["tenant", "create", "acme", "--host", "acme.example", "--path", "/acme"]).done();
    create(&host, "beta", &["/beta"]);
    let may = "it may claim the hosts acme.example; without a host, /acme and the paths below";
    for (route, code) in [
        ("path = \"/elsewhere\"", "path-not-given"),
        ("path = \"/{*all}\"", "path-not-given"),
        ("path = \"/acmes\"", "path-not-given"),
        ("path = \"/beta/x\"", "path-not-given"),
        ("host = \"other.example\"\npath = \"/acme/x\"", "host-not-given"),
    ] {
        let line = try_deploy(&host, "acme", &hello("f", route)).refused();
        assert!(line.contains(may) && line.contains(&format!("({code})")), "{route}: {line}");
    }
    let none: Value = host.modelet(["function", "list", "--tenant", "acme", "--json"]).json();
    assert_eq!(none["functions"], json!([]));

    deploy(&host, "acme", &hello("f", "path = \"/acme/{id}\""));
    deploy(&host, "acme", &hello("g", "host = \"acme.example\"\npath = \"/{*all}\""));
    let line = try_deploy(&host, "default", &hello("f", "path = \"/acme/y\"")).refused();
    assert!(line.contains("was given to another tenant") && !line.contains("tenant acme"), "{line}");
    // The default tenant may catch what is left, and no more.
    deploy(&host, "default", &hello("rest", "path = \"/{*all}\""));
    assert_eq!((host.get("/acme/x").status, host.get("/anything").status), (200, 200));
    assert_eq!((host.get("/acme/x/y").status, host.get("/beta/x").status), (404, 404));
    assert_eq!((at(&host, "acme.example", "/x"), at(&host, "acme.example", "/beta/x")), (200, 200));
    let by = host.send("GET", "/x", &[("host", "acme.example")], b"");
    assert_eq!(host.metrics().sum("modelet_requests_total", &[("function", "g")]), 3.0, "{by:?}");
    host.stop();
}

#[test]
fn claims_of_two_tenants_never_overlap_nor_what_serves_already() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme", "/shop/eu"]);
    deploy(&host, "default", &hello("f", "path = \"/taken/{x}\""));
    for (paths, why) in [
        (&["/acme"][..], "another tenant has it"),
        (&["/acme/inner"], "another tenant has it"),
        (&["/free", "/shop"], "another tenant has it"),
        (&["/v2"], "reserved"),
        (&["/v1/models/mine"], "reserved"),
        (&["/taken"], "a function answers there already"),
    ] {
        let detail = post(&host, "beta", paths).problem(409, "claim-taken");
        assert!(detail.contains(why) && !detail.contains("tenant acme"), "{paths:?}: {detail}");
    }
    assert!(post(&host, "beta", &["/{x}"]).problem(400, "bad-request").contains("plain segments"));
    create(&host, "beta", &["/shop/us", "/acmes"]);
    host.stop();
}

#[test]
fn claims_are_given_and_taken_back_later_but_not_what_a_function_needs() {
    let mut host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    create(&host, "beta", &["/beta"]);
    deploy(&host, "acme", &hello("f", "path = \"/acme/f\""));
    let line = host.modelet(["tenant", "claims", "acme", "--path", "/beta/x"]).refused();
    assert!(line.contains("another tenant has it") && line.contains("claim-taken"), "{line}");
    let line = host.modelet(["tenant", "claims", "acme", "--remove-path", "/acme", "--path", "/new"]).refused();
    assert!(line.contains("the functions f") && line.contains("claim-in-use"), "{line}");
    assert!(
        host.modelet(["tenant", "claims", "acme", "--remove-path", "/none"]).refused().contains("no claim `/none`")
    );
    assert!(host.modelet(["tenant", "claims", "default", "--path", "/x"]).refused().contains("may claim all"));
    let said = host.modelet(["tenant", "claims", "acme", "--host", "acme.example", "--path", "/new"]).done();
    assert!(said.contains("the hosts acme.example; without a host, /acme, /new"), "{said}");
    deploy(&host, "acme", &hello("f", "path = \"/new/f\""));
    host.modelet(["tenant", "claims", "acme", "--remove-path", "/acme"]).done();
    host.restart();
    assert_eq!((host.get("/new/f").status, host.get("/acme/f").status), (200, 404));
    // What was taken back is free, and what was given is kept from the others.
    deploy(&host, "default", &hello("g", "path = \"/acme/f\""));
    assert_eq!(host.get("/acme/f").status, 200);
    let line = try_deploy(&host, "default", &hello("h", "path = \"/new/y\"")).refused();
    assert!(line.contains("was given to another tenant"), "{line}");
    host.stop();
}

#[test]
fn who_waits_for_a_place_on_the_server_has_its_turn_by_the_weight_of_its_tenant() {
    let host = TestHost::configured("[limits]\nconcurrency_total = 4\n");
    for tenant in ["light", "heavy"] {
        create(&host, tenant, &[&format!("/{tenant}")]);
        // Each has four at a time, so that the one that is to have more has some that wait at every turn.
        for name in ["f", "g"] {
            let route = format!("path = \"/{tenant}/{name}\"\nauth = \"none\"");
            deploy(&host, tenant, &Function::guest("heavy").named(name).route(&route));
        }
    }
    let said = host.modelet(["tenant", "limits", "heavy", "--weight", "4"]).done();
    assert!(said.contains("weight = 4"), "{said}");
    assert!(host.modelet(["tenant", "limits", "heavy", "weight=0"]).refused().contains("from 1 to 100"));
    // Each asks for more than there is, all the time.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(4);
    let answered = |tenant: &'static str| {
        let ask = |number: usize| {
            let name = if number.is_multiple_of(2) { "f" } else { "g" };
            let route = format!("/{tenant}/{name}?ms=0&pause_ms=100");
            let asked = std::iter::from_fn(|| (std::time::Instant::now() < until).then(|| host.get(&route).status));
            asked.filter(|status| *status == 200).count()
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..12_usize).map(|number| scope.spawn(move || ask(number))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
        })
    };
    let (light, heavy) = std::thread::scope(|scope| {
        let light = scope.spawn(|| answered("light"));
        let heavy = answered("heavy");
        (light.join().unwrap(), heavy)
    });
    // In order of arrival they would have the same.
    assert!(light > 0 && heavy > light * 2, "{heavy} to {light}");
    host.stop();
}

#[test]
fn limits_hold_from_the_next_request_on_and_after_a_restart() {
    let mut host = TestHost::start();
    create(&host, "acme", &["/sleep"]);
    deploy(&host, "acme", &Function::guest("sleep").with("[limits]\nqueue = 0\n"));
    let of = |host: &TestHost| host.modelet(["function", "show", "sleep", "--tenant", "acme", "--json"]).json();
    assert_eq!(of(&host)["limits"]["concurrency"], 32);
    let body = json!({ "concurrency": 1, "request_body": "10B", "memory": "32MiB" }).to_string();
    let changed = host.admin("PATCH", "/v1/tenants/acme/limits", body.as_bytes());
    assert_eq!(changed.status, 200, "{}", changed.text());
    let _ = host.logged(&["changed a tenant's limits", "limits={", "\"concurrency\":1"]);
    for again in [false, true] {
        if again {
            host.restart();
        }
        let limits = of(&host);
        let limits = &limits["limits"];
        assert_eq!((&limits["concurrency"], &limits["memory_bytes"]), (&json!(1), &json!(32 << 20)), "{limits}");
        host.post("/sleep?for=body", &[b'x'; 11]).problem(413, "body-too-large");
        assert_eq!(host.get("/sleep?for=body").status, 200);
    }
    // Requests are counted over all functions of the tenant, and others pay nothing for it.
    host.modelet(["tenant", "limits", "acme", "requests_per_second=1"]).done();
    deploy(&host, "default", &hello("free", "path = \"/free\""));
    let refused = until("the rate is reached", || {
        let answer = host.get("/sleep?for=body");
        (answer.status != 200).then_some(answer)
    });
    assert!(refused.problem(429, "tenant-rate").contains("requests per second"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!((0..20).all(|_| host.get("/free").status == 200));
    host.modelet(["tenant", "limits", "acme", "requests_per_second=none"]).done();
    assert!((0..20).all(|_| host.get("/sleep?for=body").status == 200));
    // Models are counted as they come in.
    host.modelet(["tenant", "limits", "acme", "models=1", "model_bytes=100KiB"]).done();
    let digits = fs::read(places::model("digits")).unwrap();
    let push = |name: &str, bytes: &[u8]| host.put_bytes(&format!("/v1/models/{name}?tenant=acme"), bytes);
    assert_eq!(push("one", &digits).status, 201);
    push("two", &digits).problem(403, "quota-exceeded");
    push("one", &[0; 200 << 10]).problem(403, "quota-exceeded");
    host.stop();
}

#[test]
fn a_tenant_with_something_goes_only_by_force_and_its_last_answers_arrive() {
    let host = TestHost::start();
    create(&host, "acme", &["/sleep"]);
    assert!(host.modelet(["tenant", "remove", "default", "--force"]).refused().contains("cannot be removed"));
    deploy(&host, "acme", &Function::guest("sleep"));
    let line = host.modelet(["tenant", "remove", "acme"]).refused();
    assert!(line.contains("has the functions sleep") && line.contains("--force"), "{line}");
    assert_eq!(host.get("/sleep?for=body").status, 200, "a refusal changes nothing");

    let mut slow = Wire::connect(&host.data_url);
    slow.send(b"POST /sleep?for=body HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n");
    let running = || {
        let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
        (shown["usage"]["running"] == 1).then_some(())
    };
    until("the request runs", running);
    let said = std::thread::scope(|scope| {
        let removing = scope.spawn(|| host.modelet(["tenant", "remove", "acme", "--force"]).done());
        until("its routes are gone", || (host.get("/sleep?for=body").status == 404).then_some(()));
        assert!(host.modelet(["tenant", "show", "acme"]).status == Some(0), "what runs is waited for");
        slow.send(b"body");
        assert_eq!(slow.answer().expect("an answer").status, 200);
        removing.join().unwrap()
    });
    assert!(said.contains("acme is removed") && said.contains("with its function sleep"), "{said}");
    host.get("/sleep?for=body").problem(404, "not-found");
    host.admin("GET", "/v1/tenants/acme", b"").problem(404, "no-tenant");
    host.admin("GET", "/v1/functions?tenant=acme", b"").problem(404, "no-tenant");
    assert!(post(&host, "acme", &[]).problem(409, "tenant-exists").contains("was removed"));
    assert!(host.metrics().lines("acme").is_empty() || !host.metrics().lines("modelet_requests").contains("acme"));
    // What it had is free.
    deploy(&host, "default", &Function::guest("sleep"));
    assert_eq!(host.get("/sleep?for=body").status, 200);
    host.stop();
}

#[test]
fn a_tenant_that_is_not_there_is_404_in_every_listing() {
    let host = shared();
    for path in ["/v1/functions?tenant=ghost", "/v1/models?tenant=ghost", "/v1/tenants/ghost"] {
        host.admin("GET", path, b"").problem(404, "no-tenant");
    }
    assert!(host.modelet(["tenant", "show", "ghost"]).refused().contains("no tenant `ghost`"));
}

#[test]
fn a_tenant_that_goes_waits_for_versions_beside_the_live_one() {
    let host = TestHost::start();
    create(&host, "acme", &["/split"]);
    let split = |guest: &str| Function::guest(guest).named("split").route("path = \"/split\"\nauth = \"none\"");
    deploy(&host, "acme", &split("sleep"));
    deploy(&host, "acme", &split("hello"));
    host.modelet(["traffic", "split", "1=40", "2=60", "--sticky", "x-user", "--tenant", "acme"]).done();
    let shown = host.modelet(["function", "show", "split", "--tenant", "acme", "--json"]).json();
    assert_eq!(shown["version"], 2, "the other one is asked: {shown}");
    let asks_first = |user: &usize| {
        let user = user.to_string();
        host.send("GET", "/split?for=body", &[("x-user", &user)], b"").ok().text() == "awake\n"
    };
    let user = (0..100).find(asks_first).expect("somebody meets version 1");
    let mut slow = Wire::connect(&host.data_url);
    let head = format!("POST /split?for=body HTTP/1.1\r\nhost: x\r\nx-user: {user}\r\ncontent-length: 4\r\n\r\n");
    slow.send(head.as_bytes());
    until("the request runs", || {
        let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
        (shown["usage"]["running"] == 1).then_some(())
    });
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| host.modelet(["tenant", "remove", "acme", "--force"]).done());
        until("its routes are gone", || (host.get("/split?for=body").status == 404).then_some(()));
        assert_eq!(host.modelet(["tenant", "show", "acme"]).status, Some(0), "what runs is waited for");
        slow.send(b"body");
        assert_eq!(slow.answer().expect("an answer").status, 200);
        removing.join().unwrap()
    });
    host.admin("GET", "/v1/tenants/acme", b"").problem(404, "no-tenant");
    host.stop();
}
