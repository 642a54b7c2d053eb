//! Requests that were not done because of how they were asked: on a condition that does not hold, or a second time.

use modelet_store::{Revision, Thing};

/// Why a request that was in order was not done.
#[derive(Debug, thiserror::Error)]
pub enum AskedError {
    /// A thing is not as the request expects.
    #[error("{}", unexpected(thing.as_ref(), now.as_ref()))]
    Unexpected {
        /// Which thing; `None`: what has no ETag, or is only read.
        thing: Option<Thing>,
        /// Its revision; `None`: it is not there.
        now: Option<Revision>,
    },
    /// The same request is being done.
    #[error("a request with this Idempotency-Key is being done: ask again soon, and be given its answer")]
    UnderWay,
    /// Another request had this name.
    #[error("this Idempotency-Key was given to another request: take another one for what is another")]
    Another,
    /// It was done, and its answer is not there.
    #[error(
        "this was done when it was first asked for, and nothing was done now; that answer is not kept{}. A key's secret is kept nowhere: where it has not arrived, give the key another (`modelet key rotate`)",
        read(thing.as_deref())
    )]
    Done {
        /// What it changed.
        thing: Option<String>,
    },
}

fn read(thing: Option<&str>) -> String {
    thing.map(|thing| format!(": read {thing} to see how it is")).unwrap_or_default()
}

/// That a thing is not as a request expects, and what to do.
fn unexpected(thing: Option<&Thing>, now: Option<&Revision>) -> String {
    match (thing, now) {
        (Some(thing), Some(now)) => format!(
            "nothing has changed, because {thing} is not as this request expects: its ETag is \"{now}\" now. Read it again, and decide anew"
        ),
        (Some(thing), None) => format!("nothing has changed, because {thing} is not there, and `if-match` expects it"),
        (None, Some(now)) => format!("its ETag is \"{now}\", which is none that `if-match` names"),
        (None, None) => "nothing has changed, because what this changes has no ETag: ask without `if-match`".to_owned(),
    }
}
