//! What is left when nobody asks any more: nothing.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, process, until};

#[test]
fn instances_and_sessions_return_to_zero() {
    let host = TestHost::configured("[inference]\nidle = \"200ms\"\n");
    let idle = "[instances]\nidle = \"100ms\"\n[limits]\ntime = \"1s\"\n";
    let hello = host.once(&Function::guest("hello").with(idle));
    let trap = host.once(&Function::guest("trap").with(idle));
    let spin = host.once(&Function::guest("infinite_loop").with(idle));
    let drip = host.once(&Function::guest("drip").with(idle));
    let nn = host.once(&Function::guest("nn_loop").model("digits").with(idle));

    for _ in 0..10 {
        assert_eq!(host.get(&hello).status, 200);
        assert_eq!(host.get(&trap).status, 502);
    }
    assert_eq!(host.get(&spin).status, 504);
    assert_eq!(host.get(&format!("{nn}?n=10")).ok().json()["n"], 10);
    for _ in 0..5 {
        // A client that leaves in the middle of its answer.
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {drip} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        let _ = wire.read_until(b"\n0\n");
    }
    until("no instance is left", || {
        let metrics = host.metrics();
        assert!(metrics.has("modelet_instances"), "{:?}", metrics.names());
        (metrics.sum("modelet_instances", &[]) == 0.0).then_some(())
    });
    until("no session is left", || (host.metrics().sum("modelet_device_sessions", &[]) == 0.0).then_some(()));
    assert_eq!(host.get(&format!("{nn}?n=10")).ok().json()["n"], 10, "and the next request loads the model again");
    assert_eq!(host.get(&hello).ok().text(), "hello\n", "and the next request makes a new instance");
    host.stop();
}

#[test]
fn a_warm_instance_is_kept_and_used_again() {
    let host = TestHost::start();
    let warm = host.once(&Function::guest("hello").named("warm"));
    for _ in 0..20 {
        assert_eq!(host.get(&warm).status, 200);
    }
    let shown = host.modelet(["function", "show", "warm", "--json"]).json();
    assert_eq!((&shown["instances"]["busy"], &shown["instances"]["idle"]), (&0.into(), &1.into()), "{shown}");
    host.stop();
}

#[test]
fn connections_and_descriptors_are_given_back() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    assert_eq!(host.get(&hello).status, 200);
    let before = process::descriptors(host.pid);
    for _ in 0..100 {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {hello} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    until("the sockets of clients that left are closed", || {
        (process::descriptors(host.pid) <= before + 5).then_some(())
    });
    host.stop();
}
