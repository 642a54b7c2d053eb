//! A plain program (`wasi:cli/run`), which is no function: it exports no handler.

fn main() {
    println!("this program is no function");
}
