//! The other versions of a function whose requests are shared out, and which of all of them answers a request.

use crate::catalog::Entry;
use crate::tally::Tally;
use modelet_spec::{FunctionName, TenantName, Traffic, Version};
use std::sync::Arc;

/// The versions of a function beside the live one.
#[derive(Debug)]
pub struct Arms<F> {
    traffic: Traffic,
    /// Of its own for each function: who is among the first ten percent of one is not among those of all.
    salt: u64,
    others: Vec<Arc<Entry<F>>>,
    shadow: Option<Shadow<F>>,
}

/// The version that gets copies of requests.
#[derive(Debug)]
pub struct Shadow<F> {
    /// The version. What runs it is its own: it changes nothing outside.
    pub entry: Arc<Entry<F>>,
    /// How its answers compare.
    pub tally: Arc<Tally>,
}

/// What decides for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw<'a> {
    /// The value that the client sent: the same one always leads to the same version.
    Value(&'a [u8]),
    /// A number that is as good as random.
    Chance(u64),
}

impl<F> Arms<F> {
    /// `others`: the versions of `traffic` but the live one, and without the shadow.
    #[must_use]
    pub fn new(
        (tenant, function): (&TenantName, &FunctionName),
        traffic: Traffic,
        others: Vec<Arc<Entry<F>>>,
        shadow: Option<Shadow<F>>,
    ) -> Self {
        let salt = fold(fold(SEED, tenant.as_str().as_bytes()), format!("/{function}").as_bytes());
        Self { traffic, salt, others, shadow }
    }

    /// How requests are shared out.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The versions beside the live one, without the shadow.
    pub fn others(&self) -> impl Iterator<Item = &Arc<Entry<F>>> {
        self.others.iter()
    }

    /// The version that gets copies.
    #[must_use]
    pub fn shadow(&self) -> Option<&Shadow<F>> {
        self.shadow.as_ref()
    }

    /// Which version answers. The parts lie side by side in the order of the versions, so that one that grows takes from those
    /// after it, and who stays within a part stays with its version.
    #[must_use]
    pub fn pick(&self, draw: Draw<'_>) -> Option<Version> {
        let place = place(self.salt, draw);
        let mut end = 0;
        let parts = self.traffic.parts().iter();
        let mut ends = parts.map(|part| {
            end += u64::from(part.percent);
            (end, part.version)
        });
        ends.find(|(end, _)| place < *end).map(|(_, version)| version)
    }
}

impl<F> Entry<F> {
    /// One of the function's versions that requests may reach, the shadow not among them.
    #[must_use]
    pub fn at(self: &Arc<Self>, version: Version) -> Option<&Arc<Self>> {
        if self.version == version {
            return Some(self);
        }
        self.arms.as_ref()?.others().find(|other| other.version == version)
    }

    /// The version that answers a request.
    #[must_use]
    pub fn pick(self: &Arc<Self>, draw: Draw<'_>) -> &Arc<Self> {
        let picked = self.arms.as_ref().and_then(|arms| arms.pick(draw));
        picked.and_then(|version| self.at(version)).unwrap_or(self)
    }

    /// All that runs of the function: the live version, the others, and the shadow.
    pub fn all(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        let arms = self.arms.iter();
        let others = arms.flat_map(|arms| arms.others().chain(arms.shadow().map(|shadow| &shadow.entry)));
        std::iter::once(self).chain(others)
    }
}

/// The offset of FNV-1a, 64 bits.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A place in 0..100. Written out and fixed: a client must meet the same version after a restart, and after an update of Rust.
fn place(salt: u64, draw: Draw<'_>) -> u64 {
    let mixed = match draw {
        Draw::Value(value) => mix(fold(salt, value)),
        Draw::Chance(number) => mix(number),
    };
    let hundredths = (u128::from(mixed) * 100) >> 64;
    u64::try_from(hundredths).unwrap_or(99)
}

/// FNV-1a.
fn fold(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The finaliser of MurmurHash3: FNV's upper bits, which decide, depend too little on the last bytes.
fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_where_it_lay_before() {
        let salt = fold(fold(SEED, b"default"), b"/f");
        let places = ["", "a", "b", "user-1", "user-2"].map(|value| place(salt, Draw::Value(value.as_bytes())));
        assert_eq!(places, EXPECTED, "who sends these met these versions in every release");
    }

    const EXPECTED: [u64; 5] = [63, 30, 99, 28, 50];

    #[test]
    fn the_ends_of_chance_lie_within() {
        assert!(place(0, Draw::Chance(u64::MAX)) < 100 && place(0, Draw::Chance(0)) < 100);
    }
}
