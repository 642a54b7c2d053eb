//! From a model's card and what its trial found to how it is loaded.

use modelet_inference::{BatchVerdict, Batchable, Facts, ModelOptions};
use modelet_spec::ModelCard;
use modelet_spec::card::Dim0;

/// How the model `name` is loaded: what its card says, and where it says nothing what the trial found.
pub(crate) fn options(name: &str, card: &ModelCard, facts: Option<&Facts>) -> ModelOptions {
    let mut options = ModelOptions::named(name);
    options.sessions_max = card.run.sessions.map(|sessions| sessions as usize);
    options.prepack = card.run.prepack.unwrap_or(options.prepack);
    options.device = card.run.device.or(options.device);
    options.fp16 = card.run.fp16.unwrap_or(options.fp16);
    options.run_max = card.run.limit.unwrap_or(options.run_max);
    options.allow_row_mixing = card.batch.allow_row_mixing;
    options.preferred_rows.clone_from(&card.batch.preferred);
    options.batchable = batchable(card, facts);
    options.intra_threads = card.run.threads.map(|threads| threads as usize);
    if facts.is_none_or(|facts| facts.no_padding.is_none()) {
        options.padding.clone_from(&card.batch.pad);
    }
    options.warm_up = facts.and_then(Facts::warm_up).into_iter().collect();
    options
}

fn batchable(card: &ModelCard, facts: Option<&Facts>) -> Batchable {
    match (card.batch.dim0, facts.map(|facts| &facts.batch)) {
        (Some(Dim0::Other), _) => Batchable::No("its card says that dimension 0 is no batch".to_owned()),
        // Rows that influence each other differ when joined, and the card says that it is meant.
        (_, Some(BatchVerdict::Different(why))) if !card.batch.allow_row_mixing => Batchable::No(why.clone()),
        _ => Batchable::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_card_wins_and_what_it_leaves_open_is_the_servers() {
        let defaults = options("m", &ModelCard::default(), None);
        assert!(defaults.prepack && defaults.sessions_max.is_none() && defaults.batchable == Batchable::Yes);
        let mut card = ModelCard::default();
        card.run.prepack = Some(false);
        card.run.sessions = Some(3);
        card.run.device = Some("cuda:0!".parse().unwrap());
        card.run.fp16 = Some(true);
        card.run.limit = Some(Duration::from_secs(1));
        card.batch.dim0 = Some(Dim0::Other);
        let options = options("m", &card, None);
        assert_eq!((options.prepack, options.sessions_max, options.run_max), (false, Some(3), Duration::from_secs(1)));
        assert!(matches!(options.batchable, Batchable::No(why) if why.contains("card")));
        assert_eq!((options.device, options.fp16), (card.run.device, true));
    }
}
