//! Which version answers: in the proportions that were set, and always the same one for who sends the same.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_catalog::{Arms, Draw, Entry};
use modelet_spec::traffic::Part;
use modelet_spec::{Digest, EffectiveLimits, FunctionLimits, ServerLimits, TenantLimits, TenantName, Traffic, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const DRAWS: u32 = 20_000;

/// Percentages of several versions, which are 100 together.
fn percentages() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..=100u8, 0..7).prop_map(|mut cuts| {
        cuts.push(100);
        cuts.sort_unstable();
        let mut before = 0;
        let part = |cut: u8| cut - std::mem::replace(&mut before, cut);
        cuts.into_iter().map(part).collect()
    })
}

fn traffic(percentages: &[u8]) -> Traffic {
    let part = |(number, percent): (u32, &u8)| Part { version: Version::new(number).unwrap(), percent: *percent };
    Traffic::new((1..).zip(percentages).map(part).collect(), None, None).expect("they are 100 together")
}

fn arms(traffic: Traffic, function: &str) -> Arms<u32> {
    let (tenant, function) = (TenantName::default_tenant(), function.parse().unwrap());
    Arms::new((&tenant, &function), traffic, Vec::new(), None)
}

/// How often each version is drawn.
fn drawn<'a>(arms: &Arms<u32>, draws: impl Iterator<Item = Draw<'a>>) -> BTreeMap<u32, u32> {
    let mut drawn = BTreeMap::new();
    draws.for_each(|draw| *drawn.entry(arms.pick(draw).expect("somebody answers").get()).or_default() += 1);
    drawn
}

/// Whether a count is what a fair draw gives: within five standard deviations, which a fair one misses once in two million.
fn is_fair(count: u32, percent: u8) -> bool {
    let (n, p) = (f64::from(DRAWS), f64::from(percent) / 100.0);
    (f64::from(count) - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn each_version_gets_its_part(percentages in percentages(), seed in any::<u64>()) {
        let arms = arms(traffic(&percentages), "f");
        let values: Vec<String> = (0..DRAWS).map(|user| format!("user-{seed}-{user}")).collect();
        let by_value = drawn(&arms, values.iter().map(|value| Draw::Value(value.as_bytes())));
        // Counting up is the least random that an id could be.
        let by_chance = drawn(&arms, (0..DRAWS).map(|draw| Draw::Chance(seed.wrapping_add(u64::from(draw)))));
        for (number, percent) in (1..).zip(&percentages) {
            for drawn in [&by_value, &by_chance] {
                let count = drawn.get(&number).copied().unwrap_or_default();
                prop_assert!(is_fair(count, *percent), "version {} of {:?} got {}", number, percentages, count);
            }
        }
    }

    #[test]
    fn the_same_value_meets_the_same_version(percentages in percentages(), value in any::<Vec<u8>>()) {
        let once = arms(traffic(&percentages), "f").pick(Draw::Value(&value));
        prop_assert_eq!(arms(traffic(&percentages), "f").pick(Draw::Value(&value)), once);
    }

    #[test]
    fn a_canary_that_grows_takes_and_never_gives_back(from in 0..=100u8, to in 0..=100u8, value in any::<Vec<u8>>()) {
        let (less, more) = (from.min(to), from.max(to));
        let meets = |percent: u8| arms(traffic(&[100 - percent, percent]), "f").pick(Draw::Value(&value)).unwrap().get();
        prop_assert!(meets(more) >= meets(less), "{value:?} met the canary at {less} % and not at {more} %");
    }
}

#[test]
fn two_functions_do_not_send_the_same_clients_to_their_canaries() {
    let (f, g) = (arms(traffic(&[50, 50]), "f"), arms(traffic(&[50, 50]), "g"));
    let users: Vec<String> = (0..DRAWS).map(|user| format!("user-{user}")).collect();
    let alike = users.iter().filter(|user| {
        let draw = Draw::Value(user.as_bytes());
        f.pick(draw) == g.pick(draw)
    });
    assert!(is_fair(u32::try_from(alike.count()).unwrap(), 50));
}

fn entry(number: u32, arms: Option<Box<Arms<u32>>>) -> Arc<Entry<u32>> {
    Arc::new(Entry {
        tenant: TenantName::default_tenant(),
        function: "f".parse().unwrap(),
        version: Version::new(number).unwrap(),
        digest: Digest::of(b""),
        limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
        routes: Vec::new(),
        handle: number,
        arms,
    })
}

#[test]
fn the_version_that_is_drawn_answers_and_the_live_one_where_there_is_no_split() {
    let alone = entry(3, None);
    assert_eq!(alone.pick(Draw::Chance(7)).handle, 3);
    assert!(alone.at(Version::FIRST).is_none() && alone.at(alone.version).is_some());
    let traffic = traffic(&[0, 100, 0]);
    let tenant = TenantName::default_tenant();
    let arms = Arms::new((&tenant, &"f".parse().unwrap()), traffic, vec![entry(1, None), entry(2, None)], None);
    let live = entry(3, Some(Box::new(arms)));
    assert!((0..1000).all(|draw| live.pick(Draw::Chance(draw)).handle == 2));
    assert_eq!(live.at(Version::FIRST).unwrap().handle, 1);
    assert_eq!(live.all().map(|entry| entry.handle).collect::<Vec<_>>(), [3, 1, 2]);
}
