//! The hostile corpus: each file is refused, with the place and the reason, by nothing but its bytes.

use modelet_inference::admission::{AdmissionLimits, ExternalData, ExternalFile, RefusedKind, admit};

use crate::build::{Attr, BOOL, F32, Graph, I64, Message, function, ints, raw, zeros};
use crate::support::model_bytes;

/// `x` f32 [n] → `y`, through whatever is put between.
fn through() -> Graph {
    Graph::default().input("x", F32, &[-1]).output("y")
}

/// The kind and the words of a refusal.
fn refusal(model: impl AsRef<[u8]>) -> (RefusedKind, String) {
    let refused = admit(model.as_ref(), &AdmissionLimits::default()).unwrap_err();
    assert!(refused.message.chars().count() < 400, "{refused}");
    (refused.kind, refused.message)
}

#[track_caller]
fn refused(model: impl AsRef<[u8]>, kind: RefusedKind, words: &str) {
    let (got, message) = refusal(model);
    assert!(message.contains(words), "`{message}` has no `{words}`");
    assert_eq!(got, kind, "{message}");
}

use RefusedKind::{Malformed, TooLarge, Unsupported};

#[test]
fn bytes_that_are_no_model_are_refused() {
    refused([], Malformed, "no graph");
    for bytes in [&b"#!/bin/sh\necho no model\n"[..], &[0x3a, 0x7f, 1], &[0xff; 12]] {
        refused(bytes, Malformed, "no ONNX protobuf");
    }
    // Bytes without any order, the same each time.
    let mut state = 1u64;
    for len in (1..4096).step_by(97) {
        let random: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(len)
        .collect();
        assert_eq!(refusal(random).0, Malformed);
    }
}

#[test]
fn a_model_cut_off_anywhere_is_refused() {
    let whole = model_bytes("digits.onnx");
    admit(&whole, &AdmissionLimits::default()).unwrap();
    for len in (0..whole.len()).step_by(1024) {
        assert_eq!(refusal(&whole[..len]).0, Malformed, "at {len}");
    }
}

#[test]
fn formats_and_versions_that_are_not_supported_are_refused() {
    refused(b"\x18\0\0\0ORTM\0\0\0\0", Unsupported, "ONNX Runtime's own format (.ort)");
    let model = || through().node("Relu", &["x"], &["y"], vec![]).model();
    refused(model().number(1, 14), Unsupported, "IR version 14; the last supported is 13");
    let import = |domain: &str, version| {
        let graph = through().node("Relu", &["x"], &["y"], vec![]).0;
        let opset = Message::default().bytes(1, domain).number(2, version);
        Message::default().number(1, 8).bytes(7, graph).bytes(8, opset)
    };
    admit(import("ai.onnx", 26).as_ref(), &AdmissionLimits::default()).unwrap();
    refused(import("", 27), Unsupported, "operator set 27 of ai.onnx; 1 to 26");
    refused(import("", 0), Unsupported, "operator set 0 of ai.onnx");
    refused(import("ai.onnx.ml", 6), Unsupported, "operator set 6 of ai.onnx.ml; 1 to 5");
    let both = model().bytes(8, Message::default().number(2, 15));
    refused(both, Malformed, "imported in versions 17 and 15");
    let none = Message::default().number(1, 8).bytes(7, through().node("Relu", &["x"], &["y"], vec![]).0);
    refused(none, Malformed, "names no operator set");
}

#[test]
fn operators_that_there_are_not_are_refused_by_node() {
    let model = |op| through().node(op, &["x"], &["y"], vec![]).model();
    refused(model("acme.custom::Magic"), Unsupported, "node giving `y` (acme.custom::Magic): unknown operator domain");
    refused(model("Magic"), Unsupported, "node giving `y` (Magic): ONNX Runtime has no such operator");
    refused(model("com.microsoft::EPContext"), Unsupported, "EPContext): ONNX Runtime has no such operator");
    refused(model("com.microsoft.nchwc::Conv"), Unsupported, "unknown operator domain `com.microsoft.nchwc`");
    admit(model("ai.onnx::Relu").as_ref(), &AdmissionLimits::default()).unwrap();
    let inside = Graph::default().node("acme::Hidden", &["x"], &["z"], vec![]).output("z");
    let hidden = through().node("If", &["x"], &["y"], vec![("then_branch", Attr::Graph(inside.0))]).model();
    refused(hidden, Unsupported, "node giving `z` (acme::Hidden)");
    let shadow = model("Relu").bytes(25, Message::default().bytes(1, "Relu").bytes(10, "ai.onnx"));
    refused(shadow, Unsupported, "function `Relu`: it has the name of a standard operator");
}

#[test]
fn graphs_that_contradict_themselves_are_refused_by_node() {
    let cyclic = through().node("Add", &["x", "b"], &["a"], vec![]).node("Relu", &["a"], &["b"], vec![]);
    let behind = cyclic.node("Relu", &["b"], &["y"], vec![]);
    refused(behind.model(), Malformed, "its input depends on its own output");
    let body = Graph::default().node("Relu", &["y"], &["z"], vec![]).output("z");
    let through_subgraph = through().node("If", &["x"], &["y"], vec![("then_branch", Attr::Graph(body.0))]);
    refused(through_subgraph.model(), Malformed, "node giving `y` (If): its input depends on its own output");
    let undefined = through().node("Add", &["x", "q"], &["y"], vec![]);
    refused(undefined.model(), Malformed, "node giving `y` (Add): its input `q` is defined nowhere");
    let deep = Graph::default().node("Relu", &["q"], &["z"], vec![]).output("z");
    let undefined = through().node("If", &["x"], &["y"], vec![("then_branch", Attr::Graph(deep.0))]);
    refused(undefined.model(), Malformed, "node giving `z` (Relu): its input `q` is defined nowhere");
    let twice = through().node("Relu", &["x"], &["y"], vec![]).node("Neg", &["x"], &["y"], vec![]);
    refused(twice.model(), Malformed, "node giving `y` (Neg): its output `y` is defined twice");
    let twice = through().node("Relu", &["x"], &["y"], vec![("axis", Attr::Int(0)), ("axis", Attr::Int(1))]);
    refused(twice.model(), Malformed, "attribute `axis` is given twice");
    // The order of the nodes does not matter, as it does not to ONNX Runtime.
    let unsorted = through().node("Relu", &["a"], &["y"], vec![]).node("Neg", &["x"], &["a"], vec![]);
    admit(unsorted.model().as_ref(), &AdmissionLimits::default()).unwrap();
}

#[test]
fn tensors_larger_than_can_be_are_refused() {
    let with = |tensor| through().constant(tensor).node("Relu", &["x"], &["y"], vec![]).model();
    let huge = [1 << 32, 1 << 32];
    refused(with(raw("w", F32, &huge, &[])), TooLarge, "initializer `w`: shape [4294967296, 4294967296] is more than");
    refused(with(raw("w", F32, &[0, 1 << 40, 1 << 40], &[])), TooLarge, "initializer `w`");
    refused(with(raw("w", F32, &[-1], &[])), Malformed, "a dimension of -1");
    refused(with(raw("w", F32, &[1; 65], &[0; 4])), TooLarge, "more than 64 dimensions");
    refused(with(raw("w", 99, &[1], &[0; 4])), Unsupported, "its elements have type 99");
    refused(with(raw("w", F32, &[3], &[0; 8])), Malformed, "initializer `w`: its shape needs 12 bytes, the file has 8");
    refused(with(raw("w", F32, &[1 << 30], &[])), Malformed, "needs 4294967296 bytes, the file has 0");
    let typed = Message::default().number(1, 3).number(2, I64).bytes(8, "w").bytes(7, [1, 2]);
    refused(with(typed), Malformed, "its shape needs 3 numbers, the file has 2");
    let declared = through().input("v", F32, &huge).node("Relu", &["x"], &["y"], vec![]).model();
    refused(declared, TooLarge, "value `v`: shape [4294967296, 4294967296]");
    let values = raw("w", F32, &[1], &[0; 4]);
    let sparse = Message::default().bytes(1, values).bytes(2, ints("i", &[0])).number(3, 1 << 31);
    let sparse = Graph(through().node("Relu", &["x"], &["y"], vec![]).0.bytes(15, sparse)).model();
    refused(sparse, TooLarge, "sparse initializer `w`: makes at least 8589934592 bytes");
}

#[test]
fn what_constants_make_too_large_is_refused_by_node() {
    refused(model_bytes("constant_folding_bomb.onnx"), TooLarge, "(ConstantOfShape): makes at least 2147483648 bytes");
    let over = |constant, graph: Graph| {
        let model = graph.constant(constant).constant(zeros("one", &[1])).node("Add", &["x", "c"], &["y"], vec![]);
        refused(model.model(), TooLarge, "makes at least");
    };
    let shape = || ints("s", &[1 << 16, 1 << 16]);
    over(shape(), through().node("Expand", &["one", "s"], &["c"], vec![]));
    over(ints("s", &[1 << 31]), through().node("Tile", &["one", "s"], &["c"], vec![]));
    over(ints("s", &[0, 1 << 31]), through().node("Pad", &["x", "s"], &["c"], vec![]));
    over(ints("s", &[1 << 33]), through().node("OneHot", &["x", "s", "one"], &["c"], vec![]));
    over(shape(), through().node("Resize", &["x", "", "", "s"], &["c"], vec![]));
    let ends = raw("e", I64, &[], &(1i64 << 40).to_le_bytes());
    let range = through().constant(raw("z", I64, &[], &[0; 8])).constant(raw("d", I64, &[], &1i64.to_le_bytes()));
    over(ends, range.node("Range", &["z", "e", "d"], &["c"], vec![]));
    // In a subgraph, with the shape in a Constant node around it.
    let make = Graph::default().node("ConstantOfShape", &["s"], &["z"], vec![]).output("z");
    let inside = through().node("Constant", &[], &["s"], vec![("value_ints", Attr::Ints(vec![1 << 40]))]);
    let inside = inside.node("If", &["x"], &["y"], vec![("then_branch", Attr::Graph(make.0))]);
    refused(inside.model(), TooLarge, "node giving `z` (ConstantOfShape): makes at least 4398046511104 bytes");
}

#[test]
fn spectra_whose_window_may_have_no_length_are_refused() {
    let graph = || Graph::default().input("x", F32, &[1, 8, 1]).input("given", I64, &[]).input("numbers", F32, &[-1]);
    let stft = |graph: Graph, inputs: &[&str]| {
        let graph = graph.constant(raw("two", I64, &[], &2_i64.to_le_bytes()));
        graph.node("STFT", &[&["x", "two"][..], inputs].concat(), &["y"], vec![]).output("y").model()
    };
    let length = |length: i64| graph().constant(raw("length", I64, &[], &length.to_le_bytes()));
    let admitted = |model: Message| drop(admit(model.as_ref(), &AdmissionLimits::default()).unwrap());
    for inputs in [&["", "given"][..], &["numbers"], &["numbers", "given"], &[]] {
        refused(stft(graph(), inputs), Unsupported, "node giving `y` (STFT): neither its window nor its frame_length");
    }
    refused(stft(length(0), &["", "length"]), Unsupported, "neither its window");
    refused(stft(graph().constant(zeros("none", &[0])), &["none"]), Unsupported, "neither its window");
    admitted(stft(length(4), &["", "length"]));
    admitted(stft(length(4), &["numbers", "length"]));
    admitted(stft(graph().constant(zeros("four", &[4])), &["four", "given"]));
    admitted(stft(length(4).node("HannWindow", &["length"], &["w"], vec![]), &["w"]));
    refused(stft(graph().node("HannWindow", &["given"], &["w"], vec![]), &["w"]), Unsupported, "neither its window");
}

/// A loop of this many turns whose body goes on by itself, around a body's nodes.
fn looping(turns: &str, inner: Graph) -> (&'static str, Vec<&'static str>, Vec<(&'static str, Attr)>, String) {
    let body = inner.node("Identity", &["go"], &["go_on"], vec![]).input("i", I64, &[]).input("go", BOOL, &[]);
    ("Loop", vec![], vec![("body", Attr::Graph(body.output("go_on").0))], turns.to_owned())
}

#[test]
fn loops_that_provably_never_end_in_time_are_refused() {
    let scalar = |name: &str, turns: i64| raw(name, I64, &[], &turns.to_le_bytes());
    let (op, _, body, m) = looping("m", Graph::default());
    let billion = through().constant(scalar("m", 1_000_000_000)).node(op, &[&m, ""], &[], body);
    let billion = billion.node("Relu", &["x"], &["y"], vec![]).model();
    refused(billion, TooLarge, "(Loop): makes 1000000000 turns; at most 10000000");
    let (op, _, inner, m) = looping("m", Graph::default());
    let (_, _, outer, _) = looping("m", Graph::default().node(op, &[&m, ""], &[], inner));
    let nested = through().constant(scalar("m", 10_000)).node(op, &[&m, ""], &[], outer);
    refused(nested.node("Relu", &["x"], &["y"], vec![]).model(), TooLarge, "makes 100000000 turns");
    // A loop that its body may end is a `while`: the run limit bounds it. So is one whose count is an input.
    let ends = Graph::default().node("Not", &["go"], &["go_on"], vec![]).input("i", I64, &[]).input("go", BOOL, &[]);
    let while_loop = through().constant(scalar("m", i64::MAX)).node(
        "Loop",
        &["m", ""],
        &[],
        vec![("body", Attr::Graph(ends.output("go_on").0))],
    );
    admit(while_loop.node("Relu", &["x"], &["y"], vec![]).model().as_ref(), &AdmissionLimits::default()).unwrap();
    admit(&model_bytes("slow_loop.onnx"), &AdmissionLimits::default()).unwrap();
}

#[test]
fn subgraphs_and_functions_are_bounded_together() {
    let nest = |levels: u32| {
        (0..levels).fold(Graph::default(), |graph, level| {
            let out = format!("o{level}");
            Graph::default().node("If", &["x"], &[&out], vec![("then_branch", Attr::Graph(graph.0))])
        })
    };
    let admitted = admit(nest(31).input("x", BOOL, &[1]).model().as_ref(), &AdmissionLimits::default()).unwrap();
    assert_eq!((admitted.outline.nodes, admitted.outline.subgraph_depth), (31, 31));
    refused(nest(40).input("x", BOOL, &[1]).model(), Unsupported, "more than 31 inside each other");
    refused(model_bytes("function_chain.onnx"), Unsupported, "its functions call each other more than 64 deep");
    refused(model_bytes("function_doubling.onnx"), Unsupported, "its functions become more than 16384 nodes");
    let call = |name: &str| through().node(name, &["x"], &["y"], vec![]).model();
    refused(call("m::f").bytes(25, function("f", &["m::f"])), Unsupported, "more than 64 deep");
    // Twenty levels here and twenty in the function that is called at the bottom: forty, once inlined.
    let function = Message::default().bytes(1, "f").bytes(10, "m").bytes(4, "x");
    let function = function.bytes(7, crate::build::node("If", &["x"], &["q"], vec![("b", Attr::Graph(nest(20).0))]));
    let calls = Graph::default().node("m::f", &["x"], &["deep"], vec![]);
    let calls = (0..20).fold(calls, |graph, level| {
        Graph::default().node("If", &["x"], &[&format!("p{level}")], vec![("b", Attr::Graph(graph.0))])
    });
    let deep = calls.input("x", BOOL, &[1]).model().bytes(25, function);
    refused(deep, Unsupported, "its functions become more than 31 subgraphs");
}

#[test]
fn weights_in_other_files_stay_in_the_models_folder() {
    let external = |location: &str| {
        let entry = Message::default().bytes(1, "location").bytes(2, location);
        let tensor = Message::default().number(1, 4).number(2, F32).bytes(8, "w").bytes(13, entry).number(14, 1);
        through().constant(tensor).node("Add", &["x", "w"], &["y"], vec![]).model()
    };
    refused(
        external("weights.bin"),
        Unsupported,
        "initializer `w`: its data is in another file; push the model's folder, or save it as one file",
    );
    let folder = AdmissionLimits { external_data: ExternalData::Contained, ..AdmissionLimits::default() };
    let admitted = admit(external("sub/weights-1.bin").as_ref(), &folder).unwrap();
    assert_eq!(admitted.outline.external_files, [ExternalFile { path: "sub/weights-1.bin".to_owned(), bytes: 16 }]);
    // The one before the last: an address in ONNX Runtime's memory.
    let escapes =
        ["../w", "a/../../w", "/etc/passwd", "", "a//b", ".", "a/", "C:\\w", "a\0", "*/_ORT_MEM_ADDR_/*", "~/w"];
    for location in escapes {
        let message = admit(external(location).as_ref(), &folder).unwrap_err().message;
        assert!(message.contains("outside the model's folder"), "{location}: {message}");
        assert_eq!(refusal(external(location)).0, Unsupported);
    }
    // However deep, and whatever only says that it is elsewhere.
    let inside = Graph::default().constant(Message::default().number(2, F32).number(1, 0).number(14, 1));
    let inside = through().node("If", &["x"], &["y"], vec![("then_branch", Attr::Graph(inside.0))]);
    refused(inside.model(), Unsupported, "its data is in another file");
}

#[test]
fn what_a_tensor_says_of_another_file_adds_up() {
    let folder = AdmissionLimits { external_data: ExternalData::Contained, ..AdmissionLimits::default() };
    // Two tensors of 16 bytes in the file `w`; the second says more of its place.
    let tensor = |name: &str, entries: &[(&str, &str)]| {
        let tensor = Message::default().number(1, 4).number(2, F32).bytes(8, name).number(14, 1);
        let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
        entries.iter().fold(tensor, |made, (key, value)| made.bytes(13, entry(key, value)))
    };
    let model = |entries: &[(&str, &str)]| {
        let entries = [&[("location", "w")], entries].concat();
        through().constant(tensor("a", &[("location", "w")])).constant(tensor("b", &entries))
    };
    let verdict = |graph: Graph| {
        let model = graph.node("Add", &["x", "a"], &["y"], vec![]).model();
        admit(model.as_ref(), &folder).map(|admitted| admitted.outline.external_files)
    };
    let needs = |bytes| Ok(vec![ExternalFile { path: "w".to_owned(), bytes }]);
    assert_eq!(verdict(model(&[])), needs(16));
    assert_eq!(verdict(model(&[("offset", "4096"), ("length", "16"), ("checksum", "x")])), needs(4112));
    for (entries, words) in [
        (&[("length", "12")][..], "initializer `b`: its shape needs 16 bytes, and 12 of `w` are for it"),
        (&[("offset", "-1")], "the offset of its data in another file is no number"),
        (&[("offset", "+1")], "is no number"),
        (&[("offset", "18446744073709551616")], "is no number"),
        (&[("offset", "18446744073709551615")], "beyond what a file can have"),
        (&[("offset", "9223372036854775807")], "beyond what a file can have"),
        (&[("offset", "0"), ("offset", "16")], "is given twice"),
        (&[("location", "v")], "is given twice"),
        (&[("prepacked_0", "a|0|16")], "has the key `prepacked_0`, unknown here"),
    ] {
        let message = verdict(model(entries)).unwrap_err().message;
        assert!(message.contains(words), "{entries:?}: {message}");
    }
    let half = Message::default().number(1, 0).number(2, F32).bytes(8, "b");
    let place = Message::default().bytes(1, "location").bytes(2, "w");
    for half in [half.clone().number(14, 1), half.clone().bytes(13, place.clone())] {
        let message =
            verdict(through().constant(half).constant(tensor("a", &[("location", "w")]))).unwrap_err().message;
        assert!(message.contains("only half says"), "{message}");
    }
    let strings = Message::default().number(1, 1).number(2, 8).bytes(8, "b").bytes(13, place).number(14, 1);
    let message = verdict(through().constant(strings)).unwrap_err().message;
    assert!(message.contains("strings cannot be in another file"), "{message}");
}

#[test]
fn counts_and_texts_have_limits() {
    let small = AdmissionLimits {
        file_bytes: 20_000,
        nodes: 3,
        initializers: 2,
        edges: 30,
        metadata_bytes: 10,
        ..AdmissionLimits::default()
    };
    let refused = |model: Message, words: &str| {
        let message = admit(model.as_ref(), &small).unwrap_err().message;
        assert!(message.contains(words), "{message}");
    };
    let chain =
        |count| (0..count).fold(through(), |graph, at| graph.node("Relu", &["x"], &[&format!("y{at}")], vec![]));
    refused(chain(4).model(), "more than 3 nodes");
    refused(through().node("Concat", &["x"; 30], &["y"], vec![]).model(), "more than 30 inputs");
    let constants = (0..3).fold(through(), |graph, at| graph.constant(zeros(&format!("w{at}"), &[1])));
    refused(constants.model(), "more than 2 initializers");
    let key = Message::default().bytes(1, "author").bytes(2, "somebody");
    refused(chain(1).model().bytes(14, key), "the metadata: more than 10 bytes");
    refused(chain(1).model().bytes(6, vec![b'x'; 20_000]), "the file: 20");
    let (kind, message) = refusal(through().node("Relu", &[&"x".repeat(2000)], &["y"], vec![]).model());
    assert_eq!((kind, &*message), (TooLarge, "the graph: a name of 2000 bytes; at most 1024 are allowed"));
    let (_, message) = refusal(through().node("Relu", &["\u{1b}[31m"], &["y"], vec![]).model());
    assert!(!message.contains('\u{1b}'), "{message}");
}
