//! How a model is named: `magika`, `magika@1`, `magika@stable`, `acme/magika@stable`.

use crate::error::{ModelRefError, cut};
use crate::name::{Label, ModelName, TenantName};
use crate::text_serde::text_serde;
use crate::version::Version;
use std::fmt;
use std::str::FromStr;

/// A reference to one version of a model. Whether it exists, and whether the reader may use it, is decided elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// The tenant that owns it; `None` is the tenant that speaks.
    pub owner: Option<TenantName>,
    /// The model.
    pub name: ModelName,
    /// Which of its versions.
    pub pick: Pick,
}

/// Which version of a model is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pick {
    /// The newest one at the time of reading. Written as nothing, or `@latest`.
    Latest,
    /// This one.
    Version(Version),
    /// The one that the label stands at.
    Label(Label),
}

impl fmt::Display for Pick {
    /// `latest`, `3` or `stable`: what stands behind the `@`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Version(version) => write!(f, "{version}"),
            Self::Label(label) => write!(f, "{label}"),
        }
    }
}

impl FromStr for Pick {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        let wrong = |reason: String| ModelRefError { text: cut(text, 200), reason };
        if text == "latest" {
            Ok(Self::Latest)
        } else if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map(Self::Version).map_err(|e| wrong(e.to_string()))
        } else {
            text.parse().map(Self::Label).map_err(|e| wrong(e.to_string()))
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(owner) = &self.owner {
            write!(f, "{owner}/")?;
        }
        write!(f, "{}", self.name)?;
        match &self.pick {
            Pick::Latest => Ok(()),
            pick => write!(f, "@{pick}"),
        }
    }
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        let wrong = |reason: String| ModelRefError { text: cut(text, 200), reason };
        let (owner, rest) = match text.split_once('/') {
            Some((owner, rest)) => (Some(owner.parse().map_err(|e| wrong(format!("{e}")))?), rest),
            None => (None, text),
        };
        let (name, pick) = match rest.split_once('@') {
            Some((name, pick)) => (name, pick.parse().map_err(|e: ModelRefError| wrong(e.reason))?),
            None => (rest, Pick::Latest),
        };
        Ok(Self { owner, name: name.parse().map_err(|e| wrong(format!("{e}")))?, pick })
    }
}

text_serde!(ModelRef);
text_serde!(Pick);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in ["magika", "magika@1", "magika@stable", "acme/magika@stable", "acme/magika"] {
            assert_eq!(text.parse::<ModelRef>().unwrap().to_string(), text);
        }
        assert_eq!("magika@latest".parse::<ModelRef>().unwrap().pick, Pick::Latest);
        assert_eq!("magika@12".parse::<ModelRef>().unwrap().pick, Pick::Version(Version::new(12).unwrap()));
    }

    #[test]
    fn the_wrong_part_is_named() {
        let cases =
            [("", "model name"), ("a@", "label"), ("a@0", "version"), ("A/b", "tenant name"), ("a/b/c", "model name")];
        for (text, part) in cases {
            let message = text.parse::<ModelRef>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
