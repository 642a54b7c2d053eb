//! What a manifest's values mean, alone and together: the rules that hold for TOML and for JSON.

use super::{Case, Manifest, ModelSource, Reuse, RouteSpec};
use crate::claim::is_host;
use crate::name::ModelName;
use crate::outbound::OutboundRule;
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest wait for a batch: longer than this is a mistake in the unit.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(10);

/// The most calls in one run, and the most routes of one function: beyond what anyone needs, and a bound.
const BATCH_MAX: u32 = 4096;
const ROUTES_MAX: usize = 1000;

/// The most origins of one function: each request looks at all of them.
const ORIGINS_MAX: usize = 100;

/// The most requests that one instance has at a time: each turn of it looks at all of them.
const REQUESTS_MAX: u32 = 100;

/// Told of each fault: the key's path, and the message.
type Report<'r> = &'r mut dyn FnMut(&str, String);

pub(super) fn check(manifest: &Manifest, report: Report<'_>) {
    if let Some(build) = &manifest.build
        && build.component.as_os_str().is_empty()
    {
        report("build.component", "a path is missing between the quotes".to_owned());
    }
    routes(&manifest.route, report);
    models(manifest, report);
    limits(manifest, report);
    batch(manifest, report);
    outbound(&manifest.outbound.allow, report);
    for key in manifest.config.keys().filter(|key| key.is_empty()) {
        report(&format!("config.{key}"), "a key is missing between the quotes".to_owned());
    }
    for (index, case) in manifest.case.iter().enumerate() {
        check_case(case, &format!("case[{index}]"), report);
    }
}

fn routes(routes: &[RouteSpec], report: Report<'_>) {
    if routes.len() > ROUTES_MAX {
        report("route", format!("a function has at most {ROUTES_MAX} routes; use {{name}} or {{*rest}}"));
    }
    let mut seen = BTreeSet::new();
    for (index, route) in routes.iter().enumerate() {
        if let Some(host) = route.host.as_deref().filter(|host| !is_host(host)) {
            let fix = "write a lower-case host name without scheme and port, such as \"api.example.com\"";
            report(&format!("route[{index}].host"), format!("{host:?} is not a host; {fix}"));
        }
        for method in &route.methods {
            check_method(method, &format!("route[{index}].methods"), report);
        }
        let methods = if route.methods.is_empty() { vec![String::new()] } else { route.methods.clone() };
        for method in methods {
            if !seen.insert((route.host.clone(), route.path.to_string(), method)) {
                report(&format!("route[{index}].path"), "the same route stands above; remove one".to_owned());
            }
        }
    }
}

fn models(manifest: &Manifest, report: Report<'_>) {
    for (alias, source) in &manifest.models {
        let path = format!("models.{alias}");
        if alias == "inline" {
            report(&path, "\"inline\" is a switch of [models], not a model; choose another name".to_owned());
        }
        if let Err(error) = alias.parse::<ModelName>() {
            report(&path, error.to_string());
        }
        if matches!(source, ModelSource::File(file) if file.as_os_str().is_empty()) {
            report(&path, "a file's path is missing between the quotes".to_owned());
        }
    }
}

fn limits(manifest: &Manifest, report: Report<'_>) {
    let limits = &manifest.limits;
    let zeros = [
        ("limits.memory", limits.memory.is_some_and(|size| size.0 == 0)),
        ("limits.time", limits.time.is_some_and(|span| span.is_zero())),
        ("limits.cpu", limits.cpu.is_some_and(|span| span.is_zero())),
        ("limits.concurrency", limits.concurrency == Some(0)),
        ("instances.max_requests", manifest.instances.max_requests == 0),
        ("instances.requests", manifest.instances.requests == 0),
        ("instances.max_age", manifest.instances.max_age.is_zero()),
    ];
    for (path, _) in zeros.iter().filter(|(_, is_zero)| *is_zero) {
        report(path, "with 0 the function could never answer; write more, or leave it out for the default".to_owned());
    }
    let instances = &manifest.instances;
    if instances.requests > REQUESTS_MAX {
        report("instances.requests", format!("write 1 to {REQUESTS_MAX}"));
    }
    if instances.requests > 1 && instances.reuse == Reuse::Request {
        let fix = "leave it out, or write reuse = \"instance\"";
        report("instances.requests", format!("a fresh instance for each request has one at a time; {fix}"));
    }
    let (min, concurrency) = (instances.min, limits.concurrency);
    if let Some(concurrency) = concurrency.filter(|concurrency| min > *concurrency) {
        let fix = format!("write at most {concurrency}, or a larger concurrency");
        report("instances.min", format!("more than limits.concurrency are never used at a time; {fix}"));
    }
}

fn batch(manifest: &Manifest, report: Report<'_>) {
    for (alias, rule) in &manifest.batch {
        let path = format!("batch.{alias}");
        if !manifest.models.contains_key(alias) {
            let known = manifest.models.keys().cloned().collect::<Vec<_>>().join(", ");
            report(&path, format!("no such model in [models]; it has: {known}"));
        }
        if rule.max == 0 || rule.max > BATCH_MAX {
            report(&format!("{path}.max"), format!("write 1 to {BATCH_MAX}"));
        }
        if rule.wait > BATCH_WAIT_MAX {
            report(&format!("{path}.wait"), "at most 10s; the usual wait is a few ms".to_owned());
        }
    }
}

fn outbound(allow: &[OutboundRule], report: Report<'_>) {
    if allow.len() > ORIGINS_MAX {
        report(
            "outbound.allow",
            format!("a function has at most {ORIGINS_MAX} origins; use *.example.com or a network"),
        );
    }
    for (index, rule) in allow.iter().enumerate() {
        if allow.iter().take(index).any(|earlier| earlier == rule) {
            report(&format!("outbound.allow[{index}]"), format!("\"{rule}\" stands above; remove one"));
        }
    }
}

fn check_case(case: &Case, path: &str, report: Report<'_>) {
    let request = &case.request;
    check_method(&request.method, &format!("{path}.request.method"), report);
    if !request.path.starts_with('/') {
        report(&format!("{path}.request.path"), format!("{:?} does not begin with \"/\"", request.path));
    }
    let bodies = [request.body.is_some(), request.body_file.is_some(), request.json.is_some()];
    if bodies.iter().filter(|is_set| **is_set).count() > 1 {
        report(&format!("{path}.request"), "a request has one body; keep one of body, body_file and json".to_owned());
    }
    if !(100..=599).contains(&case.expect.status) {
        report(&format!("{path}.expect.status"), "a status is a number from 100 to 599".to_owned());
    }
    if case.expect.tolerance.is_nan() || case.expect.tolerance < 0.0 {
        report(&format!("{path}.expect.tolerance"), "a tolerance is not negative".to_owned());
    }
}

fn check_method(method: &str, path: &str, report: Report<'_>) {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if method.is_empty() || !method.bytes().all(token) {
        report(path, format!("{method:?} is not a method; write one such as \"POST\""));
    } else if method.bytes().any(|b| b.is_ascii_lowercase()) {
        report(path, format!("methods are upper case; write \"{}\"", method.to_uppercase()));
    }
}
