//! Prints the verdict of admission on each file named: `cargo run -p modelet-inference --example admit -- FILE...`

use std::process::ExitCode;

use modelet_inference::admission::{AdmissionLimits, RowMixing, admit};

fn main() -> ExitCode {
    let (mut admitted, mut refused) = (0u32, 0u32);
    for path in std::env::args().skip(1) {
        let verdict = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| {
            admit(&bytes, &AdmissionLimits::default()).map_err(|refused| format!("refused: {refused}"))
        });
        match verdict {
            Ok(admission) => {
                admitted += 1;
                let outline = &admission.outline;
                let rows = match &admission.row_mixing {
                    RowMixing::No => "rows apart".to_owned(),
                    RowMixing::Yes { node, op, why } => format!("rows mix: `{node}` {op} {why}"),
                };
                println!("{path}: admitted, {} nodes, {} initializers; {rows}", outline.nodes, outline.initializers);
            }
            Err(why) => {
                refused += 1;
                println!("{path}: {why}");
            }
        }
    }
    println!("{admitted} admitted, {refused} refused");
    if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
