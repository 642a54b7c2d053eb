//! Work that is done again and again, and may fail for hours: said when that begins, when the reason is another, and when it is over.

use std::mem::Discriminant;

use crate::api::respond::with_sources;
use crate::error::ControlError;

/// What was said of such work last.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    why: Option<Discriminant<ControlError>>,
    failures: u64,
}

impl Outage {
    /// Nothing has failed yet. `what`: as the log calls it.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, why: None, failures: 0 }
    }

    /// It was done once more, or not. Returns whether anything was said.
    pub(crate) fn hear(&mut self, done: Result<(), ControlError>) -> bool {
        let Err(error) = done else { return self.is_over() };
        self.failures = self.failures.saturating_add(1);
        let is_news = self.why.replace(std::mem::discriminant(&error)) != Some(std::mem::discriminant(&error));
        if is_news {
            tracing::error!(error = %with_sources(&error), "{} cannot be written down; it is tried again", self.what);
        }
        is_news
    }

    fn is_over(&mut self) -> bool {
        let was = self.why.take().is_some();
        if was {
            tracing::info!(failures = self.failures, "{} is written down again", self.what);
            self.failures = 0;
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_a_thousand_times_is_said_once_and_so_is_its_end() {
        let mut outage = Outage::of("it");
        let failed = || Err(ControlError::Internal("x".to_owned()));
        assert!(!outage.hear(Ok(())), "nothing has failed");
        let said = (0..1000).filter(|_| outage.hear(failed())).count();
        assert_eq!((said, outage.failures), (1, 1000));
        assert!(outage.hear(Err(ControlError::SecretKey)), "another reason");
        assert!(outage.hear(Ok(())) && !outage.hear(Ok(())));
        assert!(outage.hear(failed()));
        assert_eq!(outage.failures, 1);
    }
}
