//! The admin API of a test's server, asked without the command line.

use crate::client::{self, Answer};
use crate::host::TestHost;
use crate::metrics::Metrics;
use serde_json::Value;
use std::fs;

impl TestHost {
    /// The key of the administrator.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn key(&self) -> String {
        fs::read_to_string(self.data_dir().join("admin.key")).unwrap().trim().to_owned()
    }

    /// A request with the administrator's key.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn admin(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.admin_as(&self.key(), method, path, body)
    }

    /// A request of somebody with this key, or this token.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn admin_as(&self, key: &str, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        client::send(method, &format!("{}{path}", self.admin_url), &headers, body).unwrap()
    }

    /// A request of somebody without a key.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn admin_bare(&self, method: &str, path: &str) -> Answer {
        client::send(method, &format!("{}{path}", self.admin_url), &[], b"").unwrap()
    }

    /// Sends bytes with the administrator's key: a model, to `/v1/models/NAME`.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn put_bytes(&self, path: &str, bytes: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.key());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/octet-stream")];
        client::send("PUT", &format!("{}{path}", self.admin_url), &headers, bytes).unwrap()
    }

    /// What `/readyz` says now, whether or not the server is ready.
    ///
    /// # Panics
    /// When it does not answer, or not in JSON.
    #[must_use]
    pub fn readiness(&self) -> Value {
        self.admin_bare("GET", "/readyz").json()
    }

    /// What `/metrics` says now.
    ///
    /// # Panics
    /// When it does not answer, or not in the text format.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin_bare("GET", "/metrics").ok().text())
    }
}
