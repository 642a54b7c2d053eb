//! Everything a user sees, through the front door. One file per subject; a test's name is the sentence that it shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests do"
)]

mod admin;
mod admin_api;
mod apply;
mod archives;
mod audit;
#[path = "../../runtime/crates/inference/tests/admission/build.rs"]
mod build;
#[path = "../../runtime/crates/engine/src/inspect/bytes.rs"]
mod bytes;
mod capabilities;
mod cards;
mod cases;
mod cli;
mod compiling;
mod completions;
mod computing;
mod conditions;
mod conformance;
mod contained;
mod deploy;
mod devices;
mod faults;
mod file_type;
mod garbage;
mod gone;
mod grants;
mod headers;
mod history;
mod hostile;
mod hostile_archives;
mod hostile_code;
mod hostile_models;
mod idle;
mod images;
mod importing;
mod keys;
mod keyvalue;
mod ladder;
mod languages;
mod leftovers;
mod lifecycle;
mod limits;
mod loading;
mod logs;
mod made;
mod nn;
mod nn_chains;
mod nn_memory;
mod nn_types;
mod optimise;
mod outbound;
mod pages;
mod repository;
mod residency;
mod sandbox;
mod sealed_archives;
mod secrets;
mod service;
mod serving;
mod several;
mod sharing;
mod statuses;
mod streams;
mod systemd;
mod tenancy;
mod tenants;
mod tls;
mod tokens;
mod top;
mod traffic;
mod trials;
mod usage;
mod versions;
mod warm_up;
