//! Loads stand behind calls: who waits for an answer of a model that is there must not feel that another one comes.

/// As `nice` counts. A core that runs keep busy is a loading thread's for a tenth of the time; an idle one is wholly its own.
const NICE: i32 = 10;

/// From now on this thread has a low priority.
pub(crate) fn stand_back() {
    // On Linux it is the thread's alone. Where it is refused, a load is as quick as a run.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a loading thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_stands_back_and_the_others_do_not() {
        let before = rustix::process::nice(0).unwrap();
        let low = std::thread::spawn(|| {
            stand_back();
            rustix::process::nice(0).unwrap()
        });
        assert_eq!(low.join().unwrap(), (before + NICE).min(19));
        assert_eq!(rustix::process::nice(0).unwrap(), before);
    }
}
