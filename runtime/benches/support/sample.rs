//! One call of a model of the benches: the same bytes for ours, for every baseline and for guests.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{Frame, Kind, Part};
use super::places;

/// "A man is eating food." in the encoder's vocabulary; longer texts repeat it.
const WORDS: [i64; 8] = [101, 1037, 2158, 2003, 5983, 2833, 1012, 102];

/// Values of one picture.
const PIXELS: u32 = 64;

/// One picture as the function `digits` takes it: the first of its own three.
///
/// # Errors
/// When its file does not have one.
pub(crate) fn one_picture() -> Result<String> {
    let three = std::fs::read_to_string(places::root().join("functions/digits/cases/three.json"))?;
    let three: Value = serde_json::from_str(&three)?;
    let first = three.pointer("/instances/0").context("no picture in three.json")?;
    Ok(serde_json::json!({ "instances": [first] }).to_string())
}

/// A model and how much it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sample {
    /// Grey pictures of digits: 21 kB of model, some microseconds.
    Digits {
        /// Pictures.
        rows: u32,
    },
    /// Texts for the sentence encoder: 90 MB of model, some milliseconds.
    MiniLm {
        /// Texts.
        rows: u32,
        /// Tokens in each.
        words: u32,
    },
}

impl Sample {
    /// The model's name, in manifests too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Digits { .. } => "digits",
            Self::MiniLm { .. } => "minilm",
        }
    }

    /// The model's file.
    ///
    /// # Errors
    /// When setup has not laid it.
    pub(crate) fn file(self) -> Result<PathBuf> {
        match self {
            Self::Digits { .. } => places::digits(),
            Self::MiniLm { .. } => places::minilm("minilm.onnx"),
        }
    }

    /// The same with this many rows.
    pub(crate) fn with_rows(self, rows: u32) -> Self {
        match self {
            Self::Digits { .. } => Self::Digits { rows },
            Self::MiniLm { words, .. } => Self::MiniLm { rows, words },
        }
    }

    /// How many rows it has.
    pub(crate) fn rows(self) -> u32 {
        match self {
            Self::Digits { rows } | Self::MiniLm { rows, .. } => rows,
        }
    }

    /// The inputs.
    pub(crate) fn inputs(self) -> Vec<Part<'static>> {
        match self {
            Self::Digits { rows } => vec![floats("X", &[rows, PIXELS])],
            Self::MiniLm { rows, words } => {
                let words_of = |at: u32| WORDS.get(at as usize % WORDS.len()).copied().unwrap_or_default();
                let dims = [rows, words];
                vec![
                    whole("input_ids", &dims, words_of),
                    whole("attention_mask", &dims, |_| 1),
                    whole("token_type_ids", &dims, |_| 0),
                ]
            }
        }
    }

    /// The outputs that a caller reads.
    pub(crate) fn outputs(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::Digits { .. } => &[("label", Kind::I64), ("probabilities", Kind::Fp32)],
            Self::MiniLm { .. } => &[("embedding", Kind::Fp32)],
        }
    }

    /// The body that the guests `nn` and `nn_loop` take.
    ///
    /// # Errors
    /// None that can be brought about.
    pub(crate) fn frame(self) -> Result<Vec<u8>> {
        let frame = Frame { model: self.name().to_owned(), tensors: self.inputs() };
        frame.encode().map_err(|why| anyhow!(why))
    }
}

fn floats(name: &str, dims: &[u32]) -> Part<'static> {
    // Nothing depends on what is in the pictures.
    let len = dims.iter().product::<u32>() as usize * size_of::<f32>();
    Part { name: name.to_owned(), kind: Kind::Fp32, dims: dims.to_vec(), data: Cow::Owned(vec![0; len]) }
}

fn whole(name: &str, dims: &[u32; 2], number: impl Fn(u32) -> i64) -> Part<'static> {
    let [rows, words] = *dims;
    let row = || (0..words).flat_map(|at| number(at).to_le_bytes());
    let data = (0..rows).flat_map(|_| row()).collect();
    Part { name: name.to_owned(), kind: Kind::I64, dims: dims.to_vec(), data: Cow::Owned(data) }
}
