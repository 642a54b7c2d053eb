//! Requests to the admin API that were refused for want of a right. They are counted, not written down: whoever has no key must not
//! be able to fill the disk.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The codes of such answers.
const CODES: [&str; 3] = ["unauthorized", "forbidden", "not-the-operator"];

/// How many there were, by the code of the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Family<[(&'static str, &'static str); 1], Counter>);

impl Refusals {
    /// Counters that are there from the start, so that a first refusal is seen as an increase.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let refusals = Self::default();
        for code in CODES {
            drop(refusals.0.get_or_create(&[("code", code)]));
        }
        let help = "Requests to the admin API that were refused: no key that is known, a key without the right, or not the operator's";
        registry.register("modelet_admin_refused", help, refusals.0.clone());
        refusals
    }

    /// Counts an answer with this code, if it is such a one.
    pub(crate) fn count(&self, code: &str) {
        if let Some(code) = CODES.into_iter().find(|known| *known == code) {
            self.0.get_or_create(&[("code", code)]).inc();
        }
    }
}
