//! Warm-start images: what a component's `init` leaves in memory when it is deployed is what its instances begin with.

use modelet_tests::{Function, TestHost, places};
use serde_json::Value;

fn show(host: &TestHost, function: &str) -> Value {
    host.modelet(["function", "show", function, "--json"]).json()
}

fn images(host: &TestHost, outcome: &str) -> f64 {
    host.metrics().sum("modelet_images_total", &[("outcome", outcome)])
}

/// Deploys a guest whose `init` comes to nothing; returns the deploy's note of it. It answers all the same.
fn without(host: &TestHost, guest: &str, answer: &str) -> String {
    let function = Function::guest(guest);
    let said = host.try_deploy(&function).done();
    let note = said.lines().find(|line| line.contains("no warm-start image")).unwrap_or_else(|| panic!("{said}"));
    assert!(note.contains("It works without"), "{note}");
    for _ in 0..2 {
        assert_eq!(host.get(&format!("/{}", function.name())).ok().text(), answer);
    }
    let shown = show(host, function.name());
    assert_eq!(shown["image"]["made"], false, "{shown}");
    assert!(note.contains(shown["notes"][0].as_str().unwrap()), "{shown}");
    note.to_owned()
}

#[test]
fn what_init_made_is_in_every_instance_and_the_deploy_says_what_that_is_worth() {
    let mut host = TestHost::start();
    let table = Function::guest("init_table").with("[instances]\nreuse = \"request\"\n");
    let said = host.try_deploy(&table).done();
    assert!(said.contains("it has a warm-start image: the first request"), "{said}");
    let whole = host.get("/init-table?n=7").ok().text();
    assert!(whole.ends_with(", prepared 1, request 1\n"), "{whole}");
    assert_eq!(host.get("/init-table?n=7").ok().text(), whole, "and each instance begins there");
    let image = show(&host, "init-table")["image"].clone();
    let us = |when: &str| image[when].as_u64().unwrap_or_else(|| panic!("{image}"));
    // Forty million turns of a loop are tens of milliseconds, on any machine.
    assert!(us("before_us") > us("after_us"), "{image}");
    assert_eq!((images(&host, "made"), images(&host, "refused")), (1.0, 0.0));
    // Damaged code is made again as it was.
    host.halt();
    for entry in std::fs::read_dir(host.data_dir().join("compiled")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    host.start_again();
    assert_eq!(host.get("/init-table?n=7").ok().text(), whole);
    assert_eq!((images(&host, "made"), show(&host, "init-table")["image"].clone()), (1.0, image));
    host.stop();
}

#[test]
fn a_static_of_the_sdk_is_made_at_the_deploy() {
    let host = TestHost::start();
    let said = host.try_deploy(&Function::component("primes", places::guest("sdk_init"))).done();
    assert!(said.contains("it has a warm-start image"), "{said}");
    assert_eq!(host.get("/primes?below=1000").ok().text(), "168\n");
    host.stop();
}

#[test]
fn an_init_has_no_clock_and_no_time_and_no_memory_without_end() {
    let host = TestHost::configured("[limits]\ncompile_cpu = \"12s\"\nmemory = \"64MiB\"\n");
    let note = without(&host, "init_clock", "late\n");
    assert!(note.contains("it called `wasi:clocks/wall-clock@0.2"), "{note}");
    let note = without(&host, "init_trap", "hello\n");
    assert!(note.contains("unreachable"), "{note}");
    let note = without(&host, "init_memory", "hello\n");
    assert!(note.contains("more memory than its limit"), "{note}");
    let note = without(&host, "init_loop", "hello\n");
    assert!(note.contains("took more than 3 s of processor time"), "{note}");
    assert_eq!((images(&host, "made"), images(&host, "refused")), (0.0, 4.0));
    host.stop();
}

#[test]
fn an_image_that_the_guest_cannot_live_with_is_given_up() {
    let mut host = TestHost::start();
    let note = without(&host, "init_spoils", "hello\n");
    assert!(note.contains("with it its guest trapped, and without it does not"), "{note}");
    host.restart();
    assert_eq!(host.get("/init-spoils").ok().text(), "hello\n");
    host.stop();
}

#[test]
fn an_image_that_outgrows_the_functions_memory_is_given_up_and_code_that_has_it_is_refused() {
    let mut host = TestHost::start();
    // Its stack and its data are a little over 1 MiB; the table takes another 0.8.
    let narrow = |name: &str| Function::guest("init_table").named(name).with("[limits]\nmemory = \"1500KiB\"\n");
    let said = host.try_deploy(&narrow("narrow")).done();
    let note = said.lines().find(|line| line.contains("no warm-start image")).unwrap_or_else(|| panic!("{said}"));
    assert!(note.contains("its memory begins with") && note.contains("the limit is 1536000"), "{note}");
    let shown = show(&host, "narrow");
    assert_eq!(shown["image"]["made"], false, "{shown}");
    host.restart();
    // Without the image it would make the table itself, and has no memory for it: that is an end with a name.
    let _ = host.get("/narrow?n=7").problem(502, "function-over-limit");
    host.stop();

    let host = TestHost::start();
    let wide = Function::guest("init_table").named("wide").with("[limits]\nmemory = \"8MiB\"\n");
    assert!(host.try_deploy(&wide).done().contains("it has a warm-start image"));
    // The same bytes have the same code, which has the image.
    let refused = host.try_deploy(&narrow("narrow")).refused();
    assert!(refused.contains("its memory begins with") && refused.contains("the limit is 1536000"), "{refused}");
    assert!(host.get("/wide?n=7").ok().text().contains("prepared 1"));
    host.stop();
}
