//! From the TOML tree to a [`Manifest`]: kinds of values and unknown keys. What the values mean together is checked after.
//!
//! Where a value is wrong, the fault is noted and a stand-in taken, so that the reading goes on.

use super::{
    BatchRule, Build, Case, CaseExpect, CaseRequest, ConfigValue, Instances, Manifest, ModelSource, Outbound, Reuse,
    RouteSpec, Share,
};
use crate::document::{Section, Value};
use crate::limits::FunctionLimits;
use crate::path::PathPattern;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Stand-ins that parse; a manifest that holds one is never returned.
const SOME_NAME: &str = "unnamed";

pub(super) fn manifest(mut root: Section<'_, '_>) -> Manifest {
    let name = root.required("name", "name = \"my-function\"").and_then(|value| value.text());
    let build = root.section("build").map(build);
    let route = root.sections("route").into_iter().map(route).collect();
    let (models, inline_models) = root.section("models").map(models).unwrap_or_default();
    let limits = root.section("limits").map(limits).unwrap_or_default();
    let instances = root.section("instances").map(instances).unwrap_or_default();
    let batch = root.section("batch").map(batch).unwrap_or_default();
    let outbound = root.section("outbound").map(outbound).unwrap_or_default();
    let config = root.section("config").map(config).unwrap_or_default();
    let case = root.sections("case").into_iter().map(case).collect();
    root.finish();
    let name = name.unwrap_or_else(|| crate::name::FunctionName::stand_in(SOME_NAME));
    Manifest { name, build, route, models, inline_models, limits, instances, batch, outbound, config, case }
}

fn build(mut section: Section<'_, '_>) -> Build {
    let command = section.text("command");
    let component = section.required("component", "component = \"my_function.wasm\"").and_then(|value| value.text());
    section.finish();
    Build { command, component: component.unwrap_or_else(|| PathBuf::from(SOME_NAME)) }
}

fn route(mut section: Section<'_, '_>) -> RouteSpec {
    let at = section.at();
    let host = section.text("host");
    let path = section
        .required("path", "path = \"/my-function\"")
        .and_then(|value| value.text())
        .unwrap_or_else(|| PathPattern::stand_in(at));
    let methods = section.value("methods").map(|value| value.texts()).unwrap_or_default();
    let auth = section.text("auth");
    section.finish();
    RouteSpec { host, path, methods, auth }
}

fn models(mut section: Section<'_, '_>) -> (BTreeMap<String, ModelSource>, bool) {
    let inline = section.value("inline").and_then(|value| value.flag()).unwrap_or(false);
    let named = section.entries().into_iter();
    (named.map(|(alias, value)| (alias.to_owned(), model(&value))).collect(), inline)
}

fn model(value: &Value<'_, '_>) -> ModelSource {
    let read = match value.as_str() {
        Some(_) => value.text().map(ModelSource::Ref),
        None => model_file(value).map(ModelSource::File),
    };
    read.unwrap_or_else(|| ModelSource::File(PathBuf::from(SOME_NAME)))
}

fn model_file(value: &Value<'_, '_>) -> Option<PathBuf> {
    let mut section = value.section_or("a model reference such as \"magika@1\", or { file = \"models/x.onnx\" }")?;
    let file = section.required("file", "{ file = \"models/x.onnx\" }");
    section.finish();
    file.and_then(|value| value.text())
}

fn limits(mut section: Section<'_, '_>) -> FunctionLimits {
    let limits = FunctionLimits {
        memory: section.value("memory").and_then(|value| value.size()),
        time: section.value("time").and_then(|value| value.span()),
        cpu: section.value("cpu").and_then(|value| value.span()),
        body: section.value("body").and_then(|value| value.size()),
        response: section.value("response").and_then(|value| value.size()),
        concurrency: section.value("concurrency").and_then(|value| value.number(1)),
        queue: section.value("queue").and_then(|value| value.number(0)),
        log: section.value("log").and_then(|value| value.size()),
        tensors: section.value("tensors").and_then(|value| value.size()),
    };
    section.finish();
    limits
}

fn instances(mut section: Section<'_, '_>) -> Instances {
    let default = Instances::default();
    let reuse = [("instance", Reuse::Instance), ("request", Reuse::Request)];
    let instances = Instances {
        reuse: section.value("reuse").and_then(|value| value.one_of(&reuse)).unwrap_or(default.reuse),
        idle: section.value("idle").and_then(|value| value.span()).unwrap_or(default.idle),
        max_requests: section.value("max_requests").and_then(|value| value.number(1)).unwrap_or(default.max_requests),
        max_age: section.value("max_age").and_then(|value| value.span()).unwrap_or(default.max_age),
        requests: section.value("requests").and_then(|value| value.number(1)).unwrap_or(default.requests),
        min: section.value("min").and_then(|value| value.number(0)).unwrap_or(default.min),
    };
    section.finish();
    instances
}

fn batch(section: Section<'_, '_>) -> BTreeMap<String, BatchRule> {
    let rules = section.entries().into_iter();
    rules.filter_map(|(alias, value)| Some((alias.to_owned(), batch_rule(value.section()?)))).collect()
}

fn batch_rule(mut section: Section<'_, '_>) -> BatchRule {
    let default = BatchRule::default();
    let share = [("none", Share::None), ("function", Share::Function), ("tenant", Share::Tenant), ("all", Share::All)];
    let rule = BatchRule {
        max: section.value("max").and_then(|value| value.number(1)).unwrap_or(default.max),
        wait: section.value("wait").and_then(|value| value.span()).unwrap_or(default.wait),
        share: section.value("share").and_then(|value| value.one_of(&share)).unwrap_or(default.share),
    };
    section.finish();
    rule
}

fn outbound(mut section: Section<'_, '_>) -> Outbound {
    let origins = section.value("allow").map(|value| value.list());
    let origins = origins.unwrap_or_default().into_iter();
    let allow = origins.filter_map(|origin| origin.text()).collect();
    section.finish();
    Outbound { allow }
}

fn config(section: Section<'_, '_>) -> BTreeMap<String, ConfigValue> {
    section.entries().into_iter().map(|(key, value)| (key.to_owned(), config_value(&value))).collect()
}

fn config_value(value: &Value<'_, '_>) -> ConfigValue {
    if let Some(text) = value.as_str() {
        return ConfigValue::Text(text.to_owned());
    }
    let secret = value.section_or("a string in quotes, or { secret = \"NAME\" }").and_then(|mut section| {
        let name = section.required("secret", "{ secret = \"NAME\" }");
        section.finish();
        name.and_then(|value| value.text())
    });
    ConfigValue::Secret { secret: secret.unwrap_or_else(|| crate::name::SecretName::stand_in(SOME_NAME)) }
}

fn strings(section: Section<'_, '_>) -> BTreeMap<String, String> {
    let entries = section.entries().into_iter();
    entries.filter_map(|(key, value)| Some((key.to_owned(), value.string()?.to_owned()))).collect()
}

fn case(mut section: Section<'_, '_>) -> Case {
    let request = section
        .required("request", "request = { path = \"/my-function\" }")
        .and_then(|value| value.section())
        .map_or_else(some_request, case_request);
    let expect = section.section("expect").map(case_expect).unwrap_or_default();
    section.finish();
    Case { request, expect }
}

fn case_request(mut section: Section<'_, '_>) -> CaseRequest {
    let stand_in = some_request();
    let request = CaseRequest {
        method: section.text("method").unwrap_or(stand_in.method),
        path: section
            .required("path", "path = \"/my-function\"")
            .and_then(|value| value.text())
            .unwrap_or(stand_in.path),
        headers: section.section("headers").map(strings).unwrap_or_default(),
        body: section.text("body"),
        body_file: section.text("body_file"),
        json: section.value("json").and_then(|value| value.json()),
    };
    section.finish();
    request
}

fn some_request() -> CaseRequest {
    CaseRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        headers: BTreeMap::new(),
        body: None,
        body_file: None,
        json: None,
    }
}

fn case_expect(mut section: Section<'_, '_>) -> CaseExpect {
    let default = CaseExpect::default();
    let expect = CaseExpect {
        status: section.value("status").and_then(|value| value.number(100)).unwrap_or(default.status),
        headers: section.section("headers").map(strings).unwrap_or_default(),
        body: section.text("body"),
        json: section.value("json").and_then(|value| value.json()),
        tolerance: section.value("tolerance").and_then(|value| value.float()).unwrap_or(default.tolerance),
    };
    section.finish();
    expect
}
