//! In what a model differs from its wish.

use super::plan::{Act, Step};
use super::read::ModelWish;
use super::state::State;

/// What is to be done about a model.
pub(super) fn model<'a>(state: &State<'_>, wish: &'a ModelWish, prune: bool) -> anyhow::Result<Step<'a>> {
    let newest = state.model(&wish.tenant, &wish.name);
    let same = newest.filter(|newest| wish.local.is(newest));
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    if same.is_none() {
        what.push(format!("a new version of {}", wish.local.source.display()));
        acts.push(Act::Push(wish));
    }
    for label in &wish.labels {
        if !same.is_some_and(|same| same.labels.contains(&label.to_string())) {
            what.push(format!("label {label}"));
            acts.push(Act::Label(wish, label.clone()));
        }
    }
    let is_pinned = same.is_some_and(|same| same.memory.pinned);
    if let Some(pinned) = wish.pinned.filter(|pinned| *pinned != is_pinned) {
        what.push(if pinned { "pinned" } else { "pinned no longer" }.to_owned());
        acts.push(Act::Pin(wish, pinned));
    }
    if let Some(wanted) = &wish.grants {
        let there = match newest {
            Some(_) => state.grants(&wish.tenant, &wish.name)?.grants,
            None => Vec::new(),
        };
        for (to, share_batch) in wanted {
            if !there.iter().any(|grant| grant.to == *to && grant.share_batch == *share_batch) {
                what.push(format!("granted to {to}"));
                acts.push(Act::Grant(wish, to.clone(), *share_batch));
            }
        }
        for grant in there.iter().filter(|grant| prune && !wanted.contains_key(&grant.to)) {
            what.push(format!("granted to {} no longer", grant.to));
            acts.push(Act::Revoke(wish, grant.to.clone()));
        }
    }
    Ok(Step::new("model", format!("{}/{}", wish.tenant, wish.name), newest.is_some(), what, acts))
}
