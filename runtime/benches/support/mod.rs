//! What benches share: `child` runs a server on one core, `load` asks it from the other, `race` does so in turns with its
//! rivals, `rows` prints what came of it.

mod answer;
pub(crate) mod child;
mod load;
pub(crate) mod places;
pub(crate) mod race;
pub(crate) mod rows;

pub(crate) use load::Request;
