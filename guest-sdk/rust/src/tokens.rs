//! Token ids, masks and positions, checked before a model sees them.
//!
//! ONNX Runtime refuses what does not fit a shape, and takes the rest: an id of -1 reads the last row of the embedding, a
//! mask for another number of rows is broadcast, a position past the last one that the model was trained on is computed
//! with. The answer is then wrong and nothing says so. The runtime cannot know which `i64` input holds token ids; a
//! function does. [`Limits::check`] is opt-in: call it before [`Model::run`](crate::Model::run) with what comes out of a
//! tokenizer or off the wire.

use std::fmt;

use crate::Error;

/// What a language model's tokens must stay within. The model's card or configuration has both numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many ids there are: the rows of the embedding.
    pub vocabulary: u32,
    /// How many tokens the model can look at, those of its cache included; positions stay below it.
    pub context: u32,
}

/// The tokens of one call, in row-major order.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Rows: independent sequences.
    pub batch: usize,
    /// `batch` rows of equal length.
    pub ids: &'a [i64],
    /// How many tokens of each row are in the cache.
    pub past: usize,
    /// 1 for each token that counts and 0 for each that does not, those of the cache included, where the model takes a
    /// mask.
    pub mask: Option<&'a [i64]>,
    /// The place of each of `ids` in its text, where the model takes positions.
    pub positions: Option<&'a [i64]>,
}

/// What is wrong with the tokens of a call. It becomes 400 `bad-tokens`, since most of them are what a client sent; a
/// function whose own tokenizer is to blame turns it into [`Error::internal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::new(400, "bad-tokens", fault.0)
    }
}

impl<'a> Tokens<'a> {
    /// One sequence from its start, without mask and positions.
    #[must_use]
    pub fn of(ids: &'a [i64]) -> Self {
        Self { batch: 1, ids, past: 0, mask: None, positions: None }
    }

    /// With this many tokens in the cache.
    #[must_use]
    pub fn after(self, past: usize) -> Self {
        Self { past, ..self }
    }

    /// With a mask.
    #[must_use]
    pub fn masked(self, mask: &'a [i64]) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// With positions.
    #[must_use]
    pub fn at(self, positions: &'a [i64]) -> Self {
        Self { positions: Some(positions), ..self }
    }
}

impl Limits {
    /// Checks the tokens of one call: at least one to a row and equally many to each, every id in the vocabulary, the mask of
    /// zeros and ones and of the right size, positions of the right number and within the context, and all that the model
    /// looks at within the context.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn check(&self, tokens: &Tokens<'_>) -> Result<(), Fault> {
        let Tokens { batch, ids, past, mask, positions } = *tokens;
        if batch == 0 || ids.is_empty() || !ids.len().is_multiple_of(batch) {
            return fault(format!("{} token ids cannot be {batch} rows of equal length", ids.len()));
        }
        let width = ids.len() / batch;
        let all = past.saturating_add(width);
        if all > self.context as usize {
            return fault(format!("{all} tokens to a row are more than the model's context of {}", self.context));
        }
        if let Some(at) = first_outside(ids, self.vocabulary) {
            return fault(format!(
                "the token id {} is not in the vocabulary of {}",
                at.of(ids, width),
                self.vocabulary
            ));
        }
        if let Some(mask) = mask {
            let wanted = batch.saturating_mul(all);
            if mask.len() != wanted {
                let got = mask.len();
                return fault(format!(
                    "the mask has {got} numbers; {batch} rows of {past} + {width} tokens take {wanted}"
                ));
            }
            if let Some(at) = first_outside(mask, 2) {
                return fault(format!("the mask is neither 0 nor 1: {}", at.of(mask, all)));
            }
        }
        if let Some(positions) = positions {
            if positions.len() != ids.len() {
                return fault(format!("{} positions were given for {} tokens", positions.len(), ids.len()));
            }
            if let Some(at) = first_outside(positions, self.context) {
                let context = self.context;
                return fault(format!("the position {} is not in the context of {context}", at.of(positions, width)));
            }
        }
        Ok(())
    }
}

fn fault(why: String) -> Result<(), Fault> {
    Err(Fault(why))
}

/// The place of a number.
struct At(usize);

impl At {
    /// The number and its place, in words.
    fn of(&self, numbers: &[i64], width: usize) -> String {
        let number = numbers.get(self.0).copied().unwrap_or_default();
        format!("{number} (row {}, place {})", self.0 / width, self.0 % width)
    }
}

fn first_outside(numbers: &[i64], end: u32) -> Option<At> {
    numbers.iter().position(|number| !(0..i64::from(end)).contains(number)).map(At)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { vocabulary: 10, context: 8 };

    fn why(tokens: Tokens<'_>) -> String {
        LIMITS.check(&tokens).unwrap_err().to_string()
    }

    #[test]
    fn what_a_model_would_take_silently_is_refused_in_words() {
        let ids = [0, 9, 3, 4];
        assert_eq!(LIMITS.check(&Tokens::of(&ids)), Ok(()));
        let two = Tokens { batch: 2, ..Tokens::of(&ids) };
        assert_eq!(why(Tokens::of(&[1, -1])), "the token id -1 (row 0, place 1) is not in the vocabulary of 10");
        let wrong = Tokens { batch: 2, ..Tokens::of(&[0, 9, 10, 4]) };
        assert_eq!(why(wrong), "the token id 10 (row 1, place 0) is not in the vocabulary of 10");
        assert_eq!(LIMITS.check(&two.after(2).masked(&[1, 1, 1, 0, 1, 1, 1, 1]).at(&[2, 3, 1, 7])), Ok(()));
        assert_eq!(why(two.masked(&[1; 8])), "the mask has 8 numbers; 2 rows of 0 + 2 tokens take 4");
        assert_eq!(why(two.masked(&[1, 1, 1, 2])), "the mask is neither 0 nor 1: 2 (row 1, place 1)");
        assert_eq!(why(two.at(&[0, 1])), "2 positions were given for 4 tokens");
        assert_eq!(why(two.at(&[0, 1, 2, 8])), "the position 8 (row 1, place 1) is not in the context of 8");
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert_eq!(why(Tokens::of(&[])), "0 token ids cannot be 1 rows of equal length");
        assert_eq!(why(Tokens { batch: 0, ..Tokens::of(&[1]) }), "1 token ids cannot be 0 rows of equal length");
        assert_eq!(why(Tokens { batch: 2, ..Tokens::of(&[1; 3]) }), "3 token ids cannot be 2 rows of equal length");
        assert_eq!(why(Tokens::of(&[1; 9])), "9 tokens to a row are more than the model's context of 8");
        assert!(why(Tokens::of(&[1]).after(usize::MAX)).contains("context of 8"));
    }
}
