//! What benches share.

mod answer;
pub(crate) mod child;
pub(crate) mod load;
pub(crate) mod places;
pub(crate) mod rows;
