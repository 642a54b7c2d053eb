//! `modelet function list|show|versions|scale|remove`.

use std::time::Duration;

use modelet_control::wire::{Function, Functions, Route, Scale};
use modelet_spec::manifest::Reuse;
use modelet_spec::{At, span};

use super::client::{Client, query};
use super::{AtArgs, FunctionCommand, ServerArgs, output, pages, versions};

pub(crate) fn run(command: &FunctionCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        FunctionCommand::List(list) => {
            let answer: Functions = pages::whole(&client, &at("/v1/functions", list, server))?;
            if list.json {
                return output::json(&answer);
            }
            print_list(&answer.functions, list.at);
        }
        FunctionCommand::Show { name, list } => {
            let function: Function = client.get(&at(&format!("/v1/functions/{name}"), list, server))?;
            if list.json {
                return output::json(&function);
            }
            print_one(&function);
        }
        FunctionCommand::Versions { name, list } => return versions::list(&client, name, list, server),
        FunctionCommand::Remove(args) => return versions::remove(&client, args, server),
        FunctionCommand::Scale { name, min, list } => {
            let path = with_tenant(&format!("/v1/functions/{name}/scale"), server);
            let function: Function = client.put_json(&path, &Scale { min: *min })?;
            if list.json {
                return output::json(&function);
            }
            let (name, kept) = (&function.name, function.instances.kept);
            output::line(&match kept {
                0 => format!("{name} keeps no instance warm: it leaves memory when nobody calls"),
                1 => format!("{name} keeps 1 instance warm"),
                _ => format!("{name} keeps {kept} instances warm"),
            });
        }
    }
    Ok(())
}

/// A path with the tenant that the flag names.
pub(crate) fn with_tenant(path: &str, server: &ServerArgs) -> String {
    query(path, &[("tenant", server.tenant.as_ref().map(ToString::to_string))])
}

/// The same with the moment that is meant.
pub(crate) fn at(path: &str, list: &AtArgs, server: &ServerArgs) -> String {
    let tenant = server.tenant.as_ref().map(ToString::to_string);
    query(path, &[("tenant", tenant), ("at", list.at.map(|at| at.to_string()))])
}

fn print_list(functions: &[Function], at: Option<At>) {
    match at {
        _ if !functions.is_empty() => {}
        None => return output::line("no functions yet: deploy one with `modelet deploy DIR`"),
        Some(at) => return output::line(&format!("there were no functions {}", then(at))),
    }
    let rows: Vec<Vec<String>> = functions
        .iter()
        .map(|f| {
            let routes: Vec<String> = f.routes.iter().map(route).collect();
            let state = if f.serving { "live" } else { "not loaded" };
            let warmth = f.instances.warmth.clone();
            vec![f.name.to_string(), f.version.to_string(), state.to_owned(), warmth, routes.join(" ")]
        })
        .collect();
    output::table(&["NAME", "VERSION", "STATE", "IN MEMORY", "ROUTES"], &rows);
}

/// An earlier moment, in a sentence.
pub(crate) fn then(at: At) -> String {
    match at {
        At::Time(time) => format!("at {time}"),
        At::Ago(span) => format!("{} ago", span::format(span)),
    }
}

fn print_one(f: &Function) {
    output::line(&format!("{} version {}  {}", f.name, f.version, f.digest));
    output::line(&format!("state       {}", if f.serving { "live" } else { "not loaded: see the server's log" }));
    f.world.iter().for_each(|world| output::line(&format!("world       {world}")));
    if let Some(traffic) = &f.traffic {
        let parts = traffic.parts.iter().map(|part| format!("{}={}", part.version, part.percent));
        let sticky = traffic.sticky.as_ref().map(|header| format!("--sticky {header}"));
        let shadow = traffic.shadow.map(|shadow| format!("--shadow {shadow}"));
        let said: Vec<String> = parts.chain(sticky).chain(shadow).collect();
        output::line(&format!("traffic     {}", said.join(" ")));
    }
    for r in &f.routes {
        output::line(&format!("route       {} (auth {})", route(r), r.auth));
    }
    for m in &f.models {
        let owner = m.owner.as_ref().map(|owner| format!("{owner}/")).unwrap_or_default();
        output::line(&format!("model       {} = {owner}{}@{}  {}", m.alias, m.name, m.version, m.digest));
    }
    let l = &f.limits;
    output::line(&format!(
        "limits      memory {}, time {}, cpu {}, body {}, concurrency {}, queue {}",
        output::size(l.memory_bytes),
        span::format(Duration::from_millis(l.time_ms)),
        span::format(Duration::from_millis(l.cpu_ms)),
        output::size(l.request_body_bytes),
        l.concurrency,
        l.queue
    ));
    let (i, reuse) = (&f.instances, if f.reuse == Reuse::Instance { "instance" } else { "request" });
    let level = if i.warmth.is_empty() { String::new() } else { format!("; {}", i.warmth) };
    output::line(&format!("instances   {} busy, {} idle, {} kept warm; reuse {reuse}{level}", i.busy, i.idle, i.kept));
    f.notes.iter().for_each(|note| output::line(&format!("note        {note}")));
}

fn route(route: &Route) -> String {
    let host = route.host.as_deref().unwrap_or_default();
    let methods = if route.methods.is_empty() { String::new() } else { format!("{} ", route.methods.join(",")) };
    format!("{methods}{host}{}", route.path)
}
