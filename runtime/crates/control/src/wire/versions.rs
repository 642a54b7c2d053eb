//! Versions of functions: listed, made live, shared out among, removed.

use std::collections::BTreeMap;

use modelet_spec::manifest::Manifest;
use modelet_spec::traffic::TrafficError;
use modelet_spec::{Digest, FunctionName, InvocationId, TenantName, Timestamp, Version, traffic};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{BoundModel, Instances};

/// All versions of a function.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FunctionVersions {
    /// Its owner.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// Its name.
    #[schema(value_type = String)]
    pub name: FunctionName,
    /// The newest first; those that were removed are not among them.
    pub versions: Vec<FunctionVersion>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How its requests are shared out; absent: the live version has all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// A version of a function.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FunctionVersion {
    /// Its number: 1, 2, 3 …
    #[schema(value_type = u32)]
    pub version: Version,
    /// `sha256:…` of the component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was deployed, as RFC 3339 has it.
    #[schema(value_type = String)]
    pub deployed: Timestamp,
    /// Whether the routes are those of this version.
    pub live: bool,
    /// Its part of the function's requests.
    pub percent: u8,
    /// Whether it gets copies of requests.
    pub shadow: bool,
    /// Whether `modelet-version: N` reaches it, from whoever may deploy.
    pub reachable: bool,
    /// The models it may load.
    pub models: Vec<BoundModel>,
    /// Its live sandboxes at this moment.
    pub instances: Instances,
    /// `function.toml` as it was deployed, as JSON.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// Which version is to be live.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The version; the one with the next lower number when left out.
    #[schema(value_type = Option<u32>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
}

/// What of a function is removed, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RemoveFunctionQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// One version that gets no requests. The function with all its versions when left out.
    #[param(value_type = Option<u32>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Whether to remove it although it answers requests: it finishes those, and gets no more.
    #[serde(default)]
    pub force: bool,
}

/// What was removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemovedFunction {
    /// The versions, the newest first. Their numbers are not used again.
    #[schema(value_type = Vec<u32>)]
    pub versions: Vec<Version>,
    /// Requests that were still not answered when their time was over.
    pub in_flight: u64,
}

/// How a function's requests are shared out among its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// What each version gets; 100 together.
    pub parts: Vec<TrafficPart>,
    /// The header whose value decides: who sends the same value meets the same version. `modelet-caller`: the key that the
    /// request came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
    /// The version that gets a copy of each request.
    #[schema(value_type = Option<u32>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Version>,
}

/// What one version gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficPart {
    /// The version.
    #[schema(value_type = u32)]
    pub version: Version,
    /// Its part of the requests. With 0 it is reached by `modelet-version: N` alone, from whoever may deploy.
    pub percent: u8,
}

/// How a function's requests are shared out, and how its shadow compares.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrafficReport {
    /// Its name.
    #[schema(value_type = String)]
    pub name: FunctionName,
    /// The version whose routes are used, and which has all requests where nothing else is said.
    #[schema(value_type = u32)]
    pub live: Version,
    /// What was said; absent: nothing, and the next deploy goes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// What became of the copies, since the shadow was set or the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
    /// What its owner should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of the copies of requests.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    /// The version that got them.
    #[schema(value_type = u32)]
    pub version: Version,
    /// How many: `same`; `status`, `body` (answered otherwise), `failed` (not answered); `busy`, `large`, `unfinished` (not
    /// compared).
    pub verdicts: BTreeMap<String, u64>,
    /// The last that were answered otherwise or not at all, the newest first.
    pub recent: Vec<ShadowDifference>,
}

/// A request that the shadow answered otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowDifference {
    /// The client's request.
    #[schema(value_type = String)]
    pub invocation: InvocationId,
    /// In what they differ: `status`, `body` or `failed`.
    pub verdict: String,
    /// The status that the client got.
    pub status: String,
    /// The shadow's status, or what became of it.
    pub shadow: String,
}

impl From<&traffic::Traffic> for Traffic {
    fn from(traffic: &traffic::Traffic) -> Self {
        let part = |part: &traffic::Part| TrafficPart { version: part.version, percent: part.percent };
        Self {
            parts: traffic.parts().iter().map(part).collect(),
            sticky: traffic.sticky().map(str::to_owned),
            shadow: traffic.shadow(),
        }
    }
}

impl TryFrom<Traffic> for traffic::Traffic {
    type Error = TrafficError;

    fn try_from(traffic: Traffic) -> Result<Self, TrafficError> {
        let part = |part: TrafficPart| traffic::Part { version: part.version, percent: part.percent };
        Self::new(traffic.parts.into_iter().map(part).collect(), traffic.sticky, traffic.shadow)
    }
}
