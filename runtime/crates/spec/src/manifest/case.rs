//! `[[case]]`: a request and what its answer must be.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A smoke test: run before a version goes live, and by `modelet test`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What to ask.
    pub request: CaseRequest,
    /// What to be answered.
    #[serde(default)]
    pub expect: CaseExpect,
}

/// What a case asks. At most one of the three bodies is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRequest {
    /// The method; `GET` where none is written.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default)]
    pub body: Option<String>,
    /// The body is this file, in the function's folder.
    #[serde(default)]
    pub body_file: Option<PathBuf>,
    /// The body as JSON.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
}

/// What a case is answered. What is not set is not compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseExpect {
    /// The status. Default 200.
    pub status: u16,
    /// Header fields that the answer has, with these values.
    pub headers: BTreeMap<String, String>,
    /// The body as text, exactly.
    pub body: Option<String>,
    /// Members that the answer's JSON has; it may have more.
    pub json: Option<serde_json::Value>,
    /// By how much a number in [`Self::json`] may differ. Default 0.
    pub tolerance: f64,
}

impl Default for CaseExpect {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: None, json: None, tolerance: 0.0 }
    }
}

fn get() -> String {
    "GET".to_owned()
}
