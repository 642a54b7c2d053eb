//! Why a text is not one of this crate's values. Each message says what was found and what to write instead.

use thiserror::Error;

/// A text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text breaks the grammar of names.
    #[error(
        "{text:?} is not a {what}; write 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the first a letter or a digit"
    )]
    Grammar {
        /// What was expected, such as "function name".
        what: &'static str,
        /// The text as found, cut to 80 characters.
        text: String,
    },
    /// A label that would be read as a version.
    #[error("{text:?} is not a label: a number names a version, and \"latest\" the newest one; choose another word")]
    NotALabel {
        /// The text as found.
        text: String,
    },
}

/// A text is not a content digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a digest; write \"sha256:\" and 64 lower-case hex digits")]
pub struct DigestError {
    /// The text as found, cut to 80 characters.
    pub text: String,
}

/// A text is not a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a device; write cpu, cuda:N or tensorrt:N, with a ! behind it to demand it: {reason}")]
pub struct DeviceError {
    /// The text as found, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A text or a number is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a version; versions are the whole numbers from 1 to 4294967295")]
pub struct VersionError {
    /// The text as found, cut to 80 characters.
    pub text: String,
}

/// A text is not a reference to a model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a model reference; write NAME, NAME@VERSION, NAME@LABEL or OWNER/NAME@…: {reason}")]
pub struct ModelRefError {
    /// The text as found, cut to 200 characters.
    pub text: String,
    /// Which part is wrong, and why.
    pub reason: String,
}

/// A text is not a size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// No whole number at the beginning.
    #[error("{0:?} is not a size; write a whole number and a unit, such as \"64MiB\", \"1GB\" or \"512KiB\"")]
    Number(String),
    /// A unit that is not known, or may be read in two ways.
    #[error("{text:?} has the unknown unit {unit:?}; use B, KiB, MiB, GiB, TiB (1024) or KB, MB, GB, TB (1000)")]
    Unit {
        /// The whole text.
        text: String,
        /// Its unit.
        unit: String,
    },
    /// More than 2^64 - 1 bytes.
    #[error("{0:?} is more than can be counted; the largest size is 16777215TiB")]
    Range(String),
}

/// A text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpanError {
    /// No whole number at the beginning.
    #[error("{0:?} is not a duration; write a whole number and a unit, such as \"2s\", \"500ms\" or \"30d\"")]
    Number(String),
    /// A unit that is not known, or none.
    #[error("{text:?} has the unknown unit {unit:?}; use ns, us, ms, s, m, h or d")]
    Unit {
        /// The whole text.
        text: String,
        /// Its unit.
        unit: String,
    },
    /// Longer than can be counted.
    #[error("{0:?} is too long; the longest duration is 36500d")]
    Range(String),
}

/// A text is not an invocation's id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not an invocation id; it has 26 characters of 0-9 and a-z without i, l, o and u")]
pub struct InvocationIdError {
    /// The text as found, cut to 80 characters.
    pub text: String,
}

/// A text is not the path of a file below a folder.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a file's path below the folder; write parts of letters, digits and \"._- +@=\" with \"/\" between, such as \"weights/0.bin\""
)]
pub struct FilePathError {
    /// The text as found, cut to 200 characters.
    pub text: String,
}

/// A text is not a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a path pattern: {reason}")]
pub struct PathError {
    /// The text as found, cut to 200 characters.
    pub text: String,
    /// What is wrong, and what to write.
    pub reason: String,
}

/// A text is not what a tenant could claim.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// No host.
    #[error("{0:?} is not a host; write a lower-case name without scheme and port, such as \"acme.example\"")]
    Host(String),
    /// No path prefix.
    #[error("{text:?} is not a path prefix such as \"/acme\": {reason}")]
    Path {
        /// The text as found, cut to 200 characters.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A text is not a rule of `[outbound] allow`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not an origin: {reason}; write scheme, host and, where it is not the usual one, port: \"https://api.example.com\""
)]
pub struct OutboundRuleError {
    /// The text as found, cut to 200 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a time; write it like 2026-11-28T17:40:00Z, or like 10m for ten minutes ago")]
pub struct TimestampError(
    /// The text as found, cut to 80 characters.
    pub String,
);

/// A text is not a kind of thing that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("what is used is a function or a model")]
pub struct UsedKindError;

/// At most `chars_max` characters of a text, for a message: what a stranger sent may be long.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}
