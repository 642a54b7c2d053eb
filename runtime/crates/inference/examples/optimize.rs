//! Rewrites a model file as `modelet model optimize` does, without a server: `optimize FILE.onnx OUT.onnx int8|int8-tensor|fp16`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a person at a terminal")]

use std::process::ExitCode;

use modelet_inference::admission::AdmissionLimits;
use modelet_inference::optimize::{Activations, Options, Precision, optimize};

fn main() -> ExitCode {
    match rewrite(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn rewrite(args: &[String]) -> Result<(), String> {
    let [from, to, precision] = args else {
        return Err("optimize FILE.onnx OUT.onnx int8|int8-tensor|fp16".to_owned());
    };
    let precision = match &**precision {
        "int8" => Precision::Int8(Activations::Rows),
        "int8-tensor" => Precision::Int8(Activations::Tensor),
        "fp16" => Precision::Fp16,
        other => return Err(format!("{other}: int8, int8-tensor or fp16")),
    };
    // What a load makes constant in an arena of 2 GiB, for a model of some hundred nodes.
    let options = Options { folded_bytes_max: 4 << 20, ..Options::new(precision) };
    let old = std::fs::read(from).map_err(|error| format!("{from}: {error}"))?;
    let made = optimize(&old, &options, &AdmissionLimits::default()).map_err(|error| error.to_string())?;
    std::fs::write(to, &made.bytes).map_err(|error| format!("{to}: {error}"))?;
    println!("{} of {} bytes, rows: {:?}", made.bytes.len(), old.len(), made.after.row_mixing);
    for done in &made.rewritten {
        println!("{}  {} → {}  {} {}", done.weight, done.bytes_before, done.bytes_after, done.op, done.nodes.join(" "));
    }
    for kept in &made.kept {
        println!("{}  {} stays: {} ({} {})", kept.weight, kept.bytes, kept.why, kept.op, kept.node);
    }
    Ok(())
}
