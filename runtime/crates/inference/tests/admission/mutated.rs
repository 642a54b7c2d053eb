//! Files that are made to take memory: within a bound that the file's size and the limits give.

use modelet_inference::admission::{AdmissionLimits, admit};

use crate::build::{Graph, Message};

/// What the process may have grown to; a file of 2 MB at its worst is far below.
pub(crate) const PEAK_MAX: u64 = 512 << 20;

pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn files_of_nothing_but_small_fields_stay_within_the_bound() {
    let repeated = |one: Message| Message::default().bytes(7, one.0.repeat((2 << 20) / one.0.len()));
    let empty = |field| Message::default().bytes(field, []);
    for graph in [1, 5, 11, 12, 13, 15].map(|field| repeated(empty(field))) {
        drop(admit(graph.as_ref(), &AdmissionLimits::default()));
    }
    // One node of empty inputs, outputs, attributes; one tensor of dimensions; metadata; functions.
    for node in [1, 2, 5].map(|field| repeated(empty(field)).0) {
        let model = Message::default().bytes(7, Message::default().bytes(1, &node[5..]));
        drop(admit(model.as_ref(), &AdmissionLimits::default()));
    }
    for field in [8, 14, 25] {
        let model = empty(field).0.repeat(1 << 20);
        drop(admit(&model, &AdmissionLimits::default()));
    }
    // A shape that doubles, and a tensor whose rank does.
    let doubling = |op, start: Graph| {
        (0..60).fold(start, |graph, at| {
            let (from, to) = (format!("c{at}"), format!("c{}", at + 1));
            graph.node(op, &[&from, &from], &[&to], vec![("axis", crate::build::Attr::Int(0))])
        })
    };
    let shape = Graph::default().constant(crate::build::ints("c0", &[1; 8])).output("c60");
    drop(admit(doubling("Concat", shape).model().as_ref(), &AdmissionLimits::default()).unwrap());
    let table = Graph::default().constant(crate::build::zeros("c0", &[1, 1, 1])).output("c60");
    drop(admit(doubling("Gather", table).model().as_ref(), &AdmissionLimits::default()).unwrap());
    // Names that every one of thirty levels takes from outside.
    let names: Vec<String> = (0..10_000).map(|at| format!("{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let inner = Graph::default().node("Max", &names, &["m"], vec![]);
    let nested = (0..30).fold(inner, |graph, level| {
        Graph::default().node("If", &["c"], &[&format!("o{level}")], vec![("b", crate::build::Attr::Graph(graph.0))])
    });
    let refused = admit(nested.model().as_ref(), &AdmissionLimits::default()).unwrap_err();
    assert!(refused.message.contains("is defined nowhere"), "{refused}");
    assert!(peak() < PEAK_MAX, "{} MiB", peak() >> 20);
}
