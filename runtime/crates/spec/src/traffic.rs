//! How a function's requests are shared out among its versions.

use crate::version::Version;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// The most versions among which a function's requests are shared out, those with 0 % too.
pub const PARTS_MAX: usize = 8;
/// The longest name of a header.
const HEADER_BYTES_MAX: usize = 256;
/// The header in which a function reads which key a request came with.
const CALLER: &str = "modelet-caller";

/// How a function's requests are shared out among its versions. The percentages of its parts are 100 together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traffic {
    parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sticky: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Version>,
}

/// What one version gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The version.
    pub version: Version,
    /// Its part of the requests; with 0 only whoever may deploy reaches it.
    pub percent: u8,
}

/// Why requests cannot be shared out like that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrafficError {
    /// Nobody would answer the rest, or there is no rest.
    #[error("the parts are {0} % together; they must be 100")]
    Sum(u32),
    /// Too many versions.
    #[error("{0} versions are too many: at most {PARTS_MAX} may have a part")]
    Many(usize),
    /// One version twice.
    #[error("version {0} is named twice")]
    Twice(Version),
    /// The shadow would get copies of its own requests.
    #[error("version {0} has a part of the requests: the shadow must be another")]
    Shadow(Version),
    /// The name is none of a header that a client can send.
    #[error(
        "{0:?} is not a header to go by: write a lower-case name such as x-user, or {CALLER} to go by the caller's key"
    )]
    Header(String),
}

impl Traffic {
    /// Shares requests out. `sticky`: the header whose value decides, so that who sends the same value meets the same version;
    /// `shadow`: the version that gets a copy of each request.
    ///
    /// # Errors
    /// When the parts are not 100 % together, are too many, or contradict each other.
    pub fn new(mut parts: Vec<Part>, sticky: Option<String>, shadow: Option<Version>) -> Result<Self, TrafficError> {
        // One order for one meaning: a part that grows takes from its neighbours only.
        parts.sort_by_key(|part| part.version);
        if parts.len() > PARTS_MAX {
            return Err(TrafficError::Many(parts.len()));
        }
        if let Some((part, _)) =
            parts.iter().zip(parts.iter().skip(1)).find(|(part, next)| part.version == next.version)
        {
            return Err(TrafficError::Twice(part.version));
        }
        match parts.iter().map(|part| u32::from(part.percent)).sum() {
            100 => {}
            sum => return Err(TrafficError::Sum(sum)),
        }
        if let Some(shadow) = shadow.filter(|shadow| parts.iter().any(|part| part.version == *shadow)) {
            return Err(TrafficError::Shadow(shadow));
        }
        match sticky {
            Some(header) if !is_header(&header) => Err(TrafficError::Header(header)),
            sticky => Ok(Self { parts, sticky, shadow }),
        }
    }

    /// What each version gets, by version.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The header whose value decides.
    #[must_use]
    pub fn sticky(&self) -> Option<&str> {
        self.sticky.as_deref()
    }

    /// The version that gets copies.
    #[must_use]
    pub fn shadow(&self) -> Option<Version> {
        self.shadow
    }

    /// What a version gets, in percent; `None`: it has no part.
    #[must_use]
    pub fn percent(&self, version: Version) -> Option<u8> {
        self.parts.iter().find(|part| part.version == version).map(|part| part.percent)
    }

    /// All versions that may be reached, the shadow too.
    pub fn versions(&self) -> impl Iterator<Item = Version> {
        self.parts.iter().map(|part| part.version).chain(self.shadow)
    }

    /// The same with a new version that gets nothing yet. Where there are too many, the oldest that gets nothing goes; where all
    /// get something, the new one has no part.
    #[must_use]
    pub fn with(mut self, version: Version) -> Self {
        if self.parts.len() >= PARTS_MAX {
            match self.parts.iter().position(|part| part.percent == 0) {
                Some(oldest) => drop(self.parts.remove(oldest)),
                None => return self,
            }
        }
        self.parts.retain(|part| part.version != version);
        self.parts.push(Part { version, percent: 0 });
        self.parts.sort_by_key(|part| part.version);
        self.shadow = self.shadow.filter(|shadow| *shadow != version);
        self
    }

    /// The version that has the routes: `live` if it gets anything, and else the one that gets most; of several the newest.
    #[must_use]
    pub fn live(&self, live: Version) -> Version {
        let most = self.parts.iter().max_by_key(|part| (part.percent, part.version));
        match self.percent(live) {
            Some(1..) => live,
            _ => most.map_or(live, |part| part.version),
        }
    }
}

impl<'de> Deserialize<'de> for Traffic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            parts: Vec<Part>,
            #[serde(default)]
            sticky: Option<String>,
            #[serde(default)]
            shadow: Option<Version>,
        }
        let Raw { parts, sticky, shadow } = Raw::deserialize(deserializer)?;
        Self::new(parts, sticky, shadow).map_err(serde::de::Error::custom)
    }
}

/// Whether a client can send it. Of our own there is the caller's key alone.
fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = (1..=HEADER_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_token);
    is_name && (!name.starts_with("modelet-") || name == CALLER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    fn parts(parts: &[(u32, u8)]) -> Vec<Part> {
        parts.iter().map(|(number, percent)| Part { version: version(*number), percent: *percent }).collect()
    }

    fn traffic(of: &[(u32, u8)]) -> Result<Traffic, TrafficError> {
        Traffic::new(parts(of), None, None)
    }

    #[test]
    fn parts_are_a_hundred_percent_together_of_versions_named_once() {
        assert!(traffic(&[(2, 10), (1, 90)]).is_ok() && traffic(&[(1, 100), (2, 0)]).is_ok());
        for (of, why) in [
            (&[(1, 90)][..], "90 %"),
            (&[], "0 %"),
            (&[(1, 90), (2, 20)], "110 %"),
            (&[(1, 50), (1, 50)], "version 1 is named twice"),
            (&[(1, 100), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0)], "at most 8"),
        ] {
            assert!(traffic(of).unwrap_err().to_string().contains(why), "{of:?}");
        }
        let shadow = Traffic::new(parts(&[(1, 100), (2, 0)]), None, Some(version(2)));
        assert_eq!(shadow, Err(TrafficError::Shadow(version(2))));
    }

    #[test]
    fn what_a_client_can_send_may_decide_and_the_callers_key() {
        for name in ["x-user", "cookie", "modelet-caller"] {
            let traffic = Traffic::new(parts(&[(1, 100)]), Some(name.to_owned()), None).unwrap();
            assert_eq!(traffic.sticky(), Some(name));
        }
        for name in ["", "X-User", "a b", "modelet-invocation", "x:y"] {
            assert!(Traffic::new(parts(&[(1, 100)]), Some(name.to_owned()), None).is_err(), "{name}");
        }
    }

    #[test]
    fn a_new_version_gets_nothing_and_takes_the_place_of_the_oldest_that_gets_nothing() {
        let traffic = traffic(&[(1, 60), (2, 0), (3, 40), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)]).unwrap();
        let more = traffic.with(version(9));
        let numbers: Vec<u32> = more.parts().iter().map(|part| part.version.get()).collect();
        assert_eq!((numbers, more.percent(version(9))), (vec![1, 3, 4, 5, 6, 7, 8, 9], Some(0)));
    }

    #[test]
    fn the_routes_stay_with_the_live_version_while_it_gets_anything() {
        let traffic = traffic(&[(1, 10), (2, 45), (3, 45)]).unwrap();
        assert_eq!(traffic.live(version(1)), version(1));
        assert_eq!(traffic.live(version(7)), version(3));
    }

    #[test]
    fn it_is_read_back_as_it_was_written_and_nothing_else() {
        let traffic = Traffic::new(parts(&[(1, 90), (2, 10)]), Some("x-user".to_owned()), Some(version(3))).unwrap();
        let json = serde_json::to_string(&traffic).unwrap();
        assert_eq!(serde_json::from_str::<Traffic>(&json).unwrap(), traffic);
        assert!(serde_json::from_str::<Traffic>(r#"{"parts":[{"version":1,"percent":99}]}"#).is_err());
    }
}
