//! What becomes of a request that is to be done once.

/// Why a request with an `Idempotency-Key` was not done.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
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
