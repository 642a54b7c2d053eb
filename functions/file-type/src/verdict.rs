//! What the model's answer means, in magika's mode "high confidence".

use crate::labels::Label;

/// What is answered.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) label: Label,
    pub(crate) score: f32,
}

impl Verdict {
    /// A label that needs no model; `None` if the table lacks it.
    pub(crate) fn by_rule(name: &str) -> Option<Self> {
        Some(Self { label: Label::named(name)?, score: 1.0 })
    }
}

/// The most likely label if the model is sure enough of it, or else just "text" or "binary": a model that is unsure of
/// the kind is still right about that. The score stays the model's. `None` if there is no label of that index.
pub(crate) fn of_probabilities(probabilities: &[f32]) -> Option<Verdict> {
    let (index, score) = likeliest(probabilities)?;
    let seen = Label::at(index)?;
    let answered = Label::named(seen.answered_as)?;
    let label = if f64::from(score) >= seen.threshold {
        answered
    } else {
        Label::named(if answered.is_text { "txt" } else { "unknown" })?
    };
    Some(Verdict { label, score })
}

/// The first of the greatest.
fn likeliest(probabilities: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (index, score) in probabilities.iter().copied().enumerate() {
        if best.is_none_or(|(_, greatest)| score > greatest) {
            best = Some((index, score));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered when the model says `name` with this score.
    fn answer(name: &str, score: f32) -> &'static str {
        let index = (0..).find(|index| Label::at(*index).unwrap().name == name).unwrap();
        let mut probabilities = vec![0.0; 214];
        probabilities[index] = score;
        of_probabilities(&probabilities).unwrap().label.name
    }

    #[test]
    fn a_sure_model_is_believed() {
        assert_eq!(answer("python", 0.5), "python");
        assert_eq!(answer("markdown", 0.75), "markdown");
        assert_eq!(answer("latex", 0.96), "latex");
    }

    #[test]
    fn an_unsure_model_is_believed_only_about_text_or_binary() {
        assert_eq!(answer("python", 0.49), "txt");
        assert_eq!(answer("markdown", 0.74), "txt");
        assert_eq!(answer("elf", 0.3), "unknown");
    }

    #[test]
    fn random_content_has_names_of_its_own() {
        assert_eq!(answer("randombytes", 0.9), "unknown");
        assert_eq!(answer("randombytes", 0.1), "unknown");
        assert_eq!(answer("randomtxt", 0.9), "txt");
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(likeliest(&[0.1, 0.4, 0.4]), Some((1, 0.4)));
        assert_eq!(likeliest(&[]), None);
    }
}
