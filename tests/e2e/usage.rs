//! What was used: metered for each tenant, function and model, and read by who is to pay or to bill.

use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part};
use modelet_tests::tenants::{create, deploy};
use modelet_tests::{Function, TestHost, client, until};
use serde_json::{Value, json};

fn open(guest: &str, route: &str) -> Function {
    Function::guest(guest).route(&format!("path = \"{route}\"\nauth = \"none\""))
}

/// The rows of `modelet usage ARGUMENTS --json`.
fn rows(host: &TestHost, arguments: &[&str]) -> Vec<Value> {
    let report = host.modelet(["usage", "--json"].iter().chain(arguments)).json();
    report["rows"].as_array().unwrap().clone()
}

/// Waits until the books say this of a function.
#[track_caller]
fn booked(host: &TestHost, function: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Vec::new();
    let look = || {
        last = rows(host, &["--by", "function", "--function", function]);
        last.first().filter(|row| fits(row)).cloned()
    };
    until(&format!("{function} is in the books"), look)
}

#[test]
fn requests_time_and_bytes_are_booked_for_each_tenant_and_function() {
    let mut host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    deploy(&host, "acme", &open("heavy", "/acme/heavy"));
    deploy(&host, "default", &open("echo", "/echo"));
    deploy(&host, "default", &open("trap", "/trap"));
    let locked = Function::guest("hello").named("locked").route("path = \"/locked\"\nauth = \"key\"");
    deploy(&host, "default", &locked);
    // By its own clock: on a busy machine it has the processor for a small part of that.
    let _ = host.get("/acme/heavy?ms=400").ok();
    (0..3).for_each(|_| _ = host.post("/echo", &[b'x'; 1000]).ok());
    assert_eq!(host.get("/trap").status, 502);
    host.get("/locked").problem(401, "unauthorized");

    let heavy = booked(&host, "heavy", |row| row["cpu_seconds"].as_f64().unwrap() > 0.02);
    assert_eq!((&heavy["tenant"], &heavy["requests"], &heavy["failed"]), (&json!("acme"), &json!(1), &json!(0)));
    assert!(heavy["cpu_seconds"].as_f64().unwrap() < 1.0, "{heavy}");
    let echo = booked(&host, "echo", |row| row["requests"] == 3);
    assert_eq!((&echo["bytes_in"], &echo["bytes_out"]), (&json!(3000), &json!(3000)), "{echo}");
    let trap = booked(&host, "trap", |row| row["requests"] == 1);
    assert_eq!((&trap["failed"], &trap["refused"]), (&json!(1), &json!(0)), "{trap}");
    let locked = booked(&host, "locked", |row| row["requests"] == 1);
    assert_eq!((&locked["failed"], &locked["refused"]), (&json!(0), &json!(1)), "{locked}");

    // By the day, with the version.
    let days = rows(&host, &["--tenant", "acme"]);
    assert_eq!((days.len(), &days[0]["version"], &days[0]["requests"]), (1, &json!(1), &json!(1)), "{days:?}");
    assert!(days[0]["start"].as_str().unwrap().ends_with("T00:00:00Z"), "{days:?}");
    // What was counted and not yet booked is at the drain, once.
    (0..2).for_each(|_| _ = host.post("/echo", b"").ok());
    host.restart();
    let echo = &rows(&host, &["--by", "hour", "--function", "echo"]);
    assert_eq!(echo.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>(), 5, "{echo:?}");

    let text = host.modelet(["usage"]).done();
    assert!(text.contains("acme") && text.contains("FUNCTION") && text.contains("heavy"), "{text}");
    let csv = host.modelet(["usage", "--csv", "--tenant", "acme"]).done();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("start,tenant,function,version,model") && lines.len() == 2, "{csv}");
    assert!(lines[1].contains(",acme,heavy,1,,,1,0,0,"), "{csv}");
    host.stop();
}

#[test]
fn a_model_is_booked_for_who_asked_under_the_name_that_it_uses() {
    let host = TestHost::start();
    ["acme", "beta"].iter().for_each(|name| create(&host, name, &[&format!("/{name}")]));
    let digits = modelet_tests::places::model("digits");
    let pushed = host.put_bytes("/v1/models/digits?tenant=acme", &std::fs::read(digits).unwrap());
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    host.modelet(["model", "grant", "digits", "--to", "beta", "--tenant", "acme"]).done();
    for (tenant, model) in [("acme", "digits"), ("beta", "acme/digits")] {
        let function = Function::guest("nn").named("f").route(&format!("path = \"/{tenant}/f\"\nauth = \"none\""));
        deploy(&host, tenant, &function.model_ref("m", model));
    }
    let call = |route: &str, rows: u32| {
        let pixels = f32s(&vec![0.0; 64 * rows as usize]);
        compute(&host, route, "m", vec![part("X", Kind::Fp32, &[rows, 64], pixels)]).unwrap();
    };
    call("/acme/f", 1);
    call("/beta/f", 1);
    call("/beta/f", 3);
    let of = |tenant: &str| {
        until("the model is in the books", || {
            let rows = rows(&host, &["--by", "model", "--tenant", tenant]);
            rows.first().filter(|row| row["rows"] == if tenant == "beta" { 4 } else { 1 }).cloned()
        })
    };
    let (acme, beta) = (of("acme"), of("beta"));
    assert_eq!((&acme["model"], &beta["model"]), (&json!("digits"), &json!("acme/digits")));
    assert_eq!((&acme["runs"], &beta["runs"]), (&json!(1), &json!(2)));
    assert!(acme["inference_seconds"].as_f64().unwrap() > 0.0 && beta["inference_seconds"].as_f64().unwrap() > 0.0);
    let days = rows(&host, &["--model", "acme/digits"]);
    assert_eq!((days.len(), &days[0]["device"], &days[0]["tenant"]), (1, &json!("cpu"), &json!("beta")), "{days:?}");
    host.stop();
}

#[test]
fn who_reads_sees_the_own_use_and_a_removed_tenants_stays_for_the_operator() {
    let host = TestHost::start();
    ["acme", "beta"].iter().for_each(|name| create(&host, name, &[&format!("/{name}")]));
    for tenant in ["acme", "beta"] {
        let function = Function::guest("hello").named(&format!("of-{tenant}"));
        deploy(&host, tenant, &function.route(&format!("path = \"/{tenant}/f\"\nauth = \"none\"")));
        let _ = host.get(&format!("/{tenant}/f")).ok();
        booked(&host, &format!("of-{tenant}"), |row| row["requests"] == 1);
    }
    let made = host.modelet(["key", "create", "--json", "--tenant", "acme", "--scope", "read"]).json();
    let ask = |path: &str| host.admin_as(made["secret"].as_str().unwrap(), "GET", path, b"");
    let names = |answer: &client::Answer| {
        let rows = answer.json()["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&ask("/v1/usage")), ["acme"]);
    assert_eq!(names(&ask("/v1/usage?tenant=acme&by=hour")), ["acme"]);
    ask("/v1/usage?tenant=beta").problem(404, "no-tenant");
    ask("/v1/usage?since=1h&until=2h").problem(400, "bad-request");
    ask("/v1/usage?after=nonsense").problem(400, "bad-request");
    let first = host.admin("GET", "/v1/usage?limit=1", b"");
    let next = first.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(names(&first), ["acme"]);
    assert_eq!(names(&host.admin("GET", &format!("/v1/usage?limit=1&after={next}"), b"")), ["beta"]);

    let _ = host.get("/beta/f").ok();
    host.modelet(["tenant", "limits", "beta", "requests_per_second=1"]).done();
    until("the rate is reached", || (host.get("/beta/f").status == 429).then_some(()));
    let of_beta = |metrics: &str| host.metrics().sum(metrics, &[("tenant", "beta")]);
    assert!(of_beta("modelet_rejected_total") > 0.0 && of_beta("modelet_bytes_total") > 0.0);
    host.modelet(["tenant", "remove", "beta", "--force"]).done();
    until("its series are gone", || (!host.metrics().text.contains("tenant=\"beta\"")).then_some(()));
    until("what it used at last is in the books", || {
        let used = rows(&host, &["--tenant", "beta", "--by", "function"]);
        (used[0]["requests"].as_u64() >= Some(3) && used[0]["refused"].as_u64() >= Some(1)).then_some(())
    });
    host.admin("GET", "/v1/usage?tenant=ghost", b"").problem(404, "no-tenant");
    host.stop();
}

#[test]
fn a_tenant_that_has_used_its_day_is_refused_until_midnight_also_after_a_restart() {
    let mut host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    deploy(&host, "acme", &open("heavy", "/acme/heavy"));
    deploy(&host, "default", &open("hello", "/hello"));
    host.modelet(["tenant", "limits", "acme", "cpu_per_day=200ms"]).done();
    let refused = until("the day's processor time is used", || {
        let answer = host.get("/acme/heavy?ms=60");
        (answer.status != 200).then_some(answer)
    });
    let text = refused.problem(429, "daily-cpu-exceeded");
    assert!(text.contains("midnight (UTC)"), "{text}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86400).contains(&wait), "{wait}");
    let _ = host.get("/hello").ok();
    let count = host.metrics().sum("modelet_rejected_total", &[("tenant", "acme"), ("reason", "daily-cpu-exceeded")]);
    assert!(count >= 1.0, "{}", host.metrics().lines("modelet_rejected"));
    let shown = host.modelet(["tenant", "show", "acme", "--json"]).json();
    assert!(shown["usage"]["cpu_seconds_today"].as_f64().unwrap() >= 0.2, "{shown}");
    host.kill_and_restart();
    host.get("/acme/heavy?ms=1").problem(429, "daily-cpu-exceeded");
    // A change of it holds at once, and leaves what is warm warm.
    host.modelet(["tenant", "limits", "acme", "cpu_per_day=1h"]).done();
    let _ = host.get("/acme/heavy?ms=1").ok();
    host.modelet(["tenant", "limits", "acme", "cpu_per_day=100ms"]).done();
    host.get("/acme/heavy?ms=1").problem(429, "daily-cpu-exceeded");
    let instances = host.modelet(["function", "show", "heavy", "--tenant", "acme", "--json"]).json();
    assert_eq!(instances["instances"]["idle"], 1, "{instances}");
    assert!(host.modelet(["tenant", "limits", "acme", "cpu_per_day=0s"]).refused().contains("with 0 of cpu_per_day"));
    host.stop();
}

#[test]
fn time_of_models_in_a_day_is_a_limit_of_its_own() {
    let host = TestHost::start();
    create(&host, "acme", &["/acme"]);
    let function = Function::guest("nn").named("f").route("path = \"/acme/f\"\nauth = \"none\"");
    deploy(&host, "acme", &function.model_file("m", &modelet_tests::places::model("digits")));
    let pixels = f32s(&[0.0; 64]);
    compute(&host, "/acme/f", "m", vec![part("X", Kind::Fp32, &[1, 64], pixels)]).unwrap();
    host.modelet(["tenant", "limits", "acme", "inference_per_day=1ns"]).done();
    until("it is used up", || (host.post("/acme/f", b"").status == 429).then_some(()));
    host.post("/acme/f", b"").problem(429, "daily-inference-exceeded");
    host.stop();
}
