//! Where a file lies below a model's folder: `model.onnx`, `weights/0.bin`.

use crate::error::{FilePathError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// The longest path and the longest of its parts, in bytes (what file systems allow), and the most parts.
const BYTES_MAX: usize = 1024;
const PART_BYTES_MAX: usize = 255;
const PARTS_MAX: usize = 16;

/// A relative path that stays below its folder: parts with `/` between, none of them empty or made of dots alone.
///
/// The same rule as admission has for the files that a model refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = FilePathError;

    fn from_str(text: &str) -> Result<Self, FilePathError> {
        let plain = |c: char| c.is_alphanumeric() || "._- +@=".contains(c);
        let part = |part: &str| {
            (1..=PART_BYTES_MAX).contains(&part.len()) && !part.chars().all(|c| c == '.') && part.chars().all(plain)
        };
        let is_path = text.len() <= BYTES_MAX && text.split('/').count() <= PARTS_MAX && text.split('/').all(part);
        if is_path { Ok(Self(text.to_owned())) } else { Err(FilePathError { text: cut(text, 200) }) }
    }
}

text_serde!(FilePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_folder_are_read_and_others_refused() {
        for text in ["model.onnx", "a/b/c.bin", "model.onnx_data", "layer 1/w@2.bin", "größe.bin", "..a"] {
            assert_eq!(text.parse::<FilePath>().unwrap().as_str(), text);
        }
        let long = format!("{}x", "x/".repeat(16));
        let escapes =
            ["", "/", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "C:\\a", "a\0b", "~/a", "a\nb", "*", &long];
        for text in escapes {
            assert!(text.parse::<FilePath>().is_err(), "{text}");
        }
        assert!("x".repeat(256).parse::<FilePath>().is_err());
    }
}
