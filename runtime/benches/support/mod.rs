//! What benches share: `child` runs a server on one core, `load` asks it from the other, `race` does so in turns with its
//! rivals, `rows` prints what came of it. `site` is our own server, `stored` puts many functions into it. Where there is no HTTP, `asked` is a child that does
//! the work when told so, with `callers` inside it; `sample` is what a model is asked. `mode` is whether all that is only tried,
//! `parts` which of it. `promises` is what a program says that measures nothing.

pub(crate) mod answer;
pub(crate) mod asked;
pub(crate) mod callers;
pub(crate) mod child;
/// How the guests `nn` and `nn_loop` are talked to.
#[path = "../../../tests/guests/frame.rs"]
#[expect(unreachable_pub, reason = "a library has it, too")]
pub(crate) mod frame;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod mode;
pub(crate) mod parts;
pub(crate) mod places;
pub(crate) mod promises;
pub(crate) mod race;
pub(crate) mod rows;
pub(crate) mod sample;
pub(crate) mod site;
pub(crate) mod stored;

pub(crate) use load::Request;
