//! The repository rules.
