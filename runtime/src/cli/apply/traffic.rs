//! In what the sharing out of a function's requests differs from its wish.

use anyhow::{anyhow, bail};
use modelet_control::wire::{Traffic, TrafficPart};
use modelet_spec::{Version, traffic};

use super::plan::{Act, Anew, Step};
use super::read::TrafficWish;
use super::state::State;

/// What is to be done about how a function's requests are shared out. `anew`: the functions that are deployed before.
pub(super) fn traffic<'a>(state: &State<'_>, anew: &Anew<'_>, wish: &'a TrafficWish) -> anyhow::Result<Step<'a>> {
    let (tenant, name) = (&wish.tenant, &wish.function);
    let versions = state.newest(tenant, name)?;
    let is_deployed = anew.contains(&(tenant, name));
    if versions.is_none() && !is_deployed {
        bail!("the traffic of {tenant}/{name}: there is no such function, neither in the files nor on the server");
    }
    let newest = versions.as_ref().and_then(|versions| versions.versions.first());
    let latest = match newest {
        Some(newest) if is_deployed => newest.version.next(),
        Some(newest) => newest.version,
        None => Version::FIRST,
    };
    let wanted = wanted(wish, latest);
    if let Some(wanted) = &wanted {
        check(wanted, latest).map_err(|why| anyhow!("the traffic of {tenant}/{name}: {why}"))?;
    }
    let there = versions.as_ref().and_then(|versions| versions.traffic.clone()).map(sorted);
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    if wanted != there {
        what.push(wanted.as_ref().map_or("the live version has all".to_owned(), shown));
        acts.push(Act::Traffic(wish));
    }
    Ok(Step::new("traffic", format!("{tenant}/{name}"), there.is_some() || wanted.is_none(), what, acts))
}

/// Refuses what the server would, before anything is done. That a version was removed is for the server to say.
fn check(wanted: &Traffic, latest: Version) -> anyhow::Result<()> {
    let traffic = traffic::Traffic::try_from(wanted.clone())?;
    match traffic.versions().find(|version| *version > latest) {
        Some(version) => bail!("there is no version {version}, and the newest will be {latest}"),
        None => Ok(()),
    }
}

/// How requests are to be shared out, where `latest` is this version.
pub(super) fn wanted(wish: &TrafficWish, latest: Version) -> Option<Traffic> {
    if wish.parts.is_empty() {
        return None;
    }
    let part = |(version, percent): &(Option<Version>, u8)| TrafficPart {
        version: version.unwrap_or(latest),
        percent: *percent,
    };
    let shadow = wish.shadow.map(|shadow| shadow.unwrap_or(latest));
    Some(sorted(Traffic { parts: wish.parts.iter().map(part).collect(), sticky: wish.sticky.clone(), shadow }))
}

fn sorted(mut traffic: Traffic) -> Traffic {
    traffic.parts.sort_by_key(|part| part.version);
    traffic
}

fn shown(traffic: &Traffic) -> String {
    let parts = traffic.parts.iter().map(|part| format!("{} {} %", part.version, part.percent));
    let sticky = traffic.sticky.iter().map(|header| format!("sticky by {header}"));
    let shadow = traffic.shadow.iter().map(|version| format!("shadow {version}"));
    parts.chain(sticky).chain(shadow).collect::<Vec<_>>().join(", ")
}
