//! Who may share a run with whom.
//!
//! Sharing opens a timing channel (a caller sees that somebody else was in its run), so each caller says how far it goes
//! and the narrower one decides. Nothing of another caller's data is ever in an answer.

use modelet_spec::Flow;
use modelet_spec::manifest::{BatchRule, Share};

/// What a caller allows for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Rows of the whole run, at most; at least 2.
    pub(crate) rows_max: u32,
    pub(crate) share: Share,
}

impl Joining {
    /// `None`: the rule joins nothing.
    pub(crate) fn of(rule: &BatchRule) -> Option<Self> {
        (rule.max > 1 && rule.share != Share::None).then_some(Self { rows_max: rule.max, share: rule.share })
    }
}

/// Everybody who is in a batch so far.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    /// `None`: calls of several groups.
    group: Option<u64>,
    /// `None`: calls of several circles.
    circle: Option<u64>,
    /// `None`: calls of several flows.
    flow: Option<u64>,
    /// The narrowest share among them.
    reach: u8,
    /// The model lets rows influence each other.
    mixes_rows: bool,
}

impl Scope {
    /// One caller alone.
    pub(crate) fn of(flow: &Flow, share: Share, mixes_rows: bool) -> Self {
        Self {
            group: Some(flow.group),
            circle: Some(flow.circle),
            flow: Some(flow.id),
            reach: reach(share),
            mixes_rows,
        }
    }

    /// The scope with one more caller, if all of them allow it.
    pub(crate) fn with(self, flow: &Flow, share: Share) -> Option<Self> {
        let group = self.group.filter(|group| *group == flow.group);
        // The same id in another group is another flow.
        let same_flow = self.flow.filter(|id| group.is_some() && *id == flow.id);
        let circle = self.circle.filter(|circle| *circle == flow.circle);
        let reach = self.reach.min(reach(share));
        let needed = match (group, same_flow) {
            (Some(_), Some(_)) => Share::Function,
            (Some(_), None) => Share::Tenant,
            (None, _) if self.mixes_rows || circle.is_none() => return None,
            (None, _) => Share::All,
        };
        (reach >= self::reach(needed)).then_some(Self { group, circle, flow: same_flow, reach, ..self })
    }
}

fn reach(share: Share) -> u8 {
    match share {
        Share::None => 0,
        Share::Function => 1,
        Share::Tenant => 2,
        Share::All => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [Share; 4] = [Share::None, Share::Function, Share::Tenant, Share::All];

    fn may_join(a: (Flow, Share), b: (Flow, Share), mixes_rows: bool) -> bool {
        Scope::of(&a.0, a.1, mixes_rows).with(&b.0, b.1).is_some()
    }

    /// Rows: what the one says; columns: what the other says; `none function tenant all`.
    fn table(a: Flow, b: Flow, mixes_rows: bool) -> String {
        let row = |x| SHARES.map(|y| if may_join((a, x), (b, y), mixes_rows) { 'x' } else { '.' });
        SHARES.map(|x| String::from_iter(row(x))).join(" ")
    }

    #[test]
    fn the_narrower_of_two_shares_decides() {
        let (one, sibling, stranger) = (Flow::new(1, 1), Flow::new(2, 1), Flow::new(3, 2));
        assert_eq!(table(one, one, false), ".... .xxx .xxx .xxx");
        assert_eq!(table(one, sibling, false), ".... .... ..xx ..xx");
        assert_eq!(table(one, stranger, false), ".... .... .... ...x");
        assert_eq!(table(one, Flow::new(1, 2), false), ".... .... .... ...x", "an id means nothing in another group");
    }

    #[test]
    fn rows_that_mix_never_cross_a_group() {
        assert_eq!(table(Flow::new(1, 1), Flow::new(3, 2), true), ".... .... .... ....");
        assert_eq!(table(Flow::new(1, 1), Flow::new(2, 1), true), ".... .... ..xx ..xx");
    }

    #[test]
    fn strangers_meet_only_within_one_circle() {
        let of = |group: u64, circle: u64| Flow { circle, ..Flow::new(group, group) };
        assert_eq!(table(of(1, 7), of(2, 7), false), ".... .... .... ...x");
        assert_eq!(table(of(1, 7), of(2, 8), false), ".... .... .... ....");
        let own = Scope::of(&of(1, 7), Share::All, false);
        let siblings = own.with(&Flow { id: 9, ..of(1, 8) }, Share::All).unwrap();
        assert!(siblings.with(&of(2, 7), Share::All).is_none(), "one of them is of another circle");
        assert!(own.with(&of(2, 7), Share::All).is_some());
    }

    #[test]
    fn a_third_caller_has_to_suit_both() {
        let (one, sibling, stranger) = (Flow::new(1, 1), Flow::new(2, 1), Flow::new(3, 2));
        let tenant_and_all = Scope::of(&one, Share::Tenant, false).with(&sibling, Share::All).unwrap();
        assert!(tenant_and_all.with(&stranger, Share::All).is_none(), "the first said tenant");
        let all = Scope::of(&one, Share::All, false).with(&stranger, Share::All).unwrap();
        assert!(all.with(&sibling, Share::All).is_some());
        assert!(all.with(&one, Share::Tenant).is_none(), "a stranger is in already");
        let own = Scope::of(&one, Share::Function, false).with(&one, Share::Function).unwrap();
        assert!(own.with(&sibling, Share::All).is_none());
    }

    #[test]
    fn a_rule_of_one_row_or_no_share_joins_nothing() {
        let rule = |max, share| Joining::of(&BatchRule { max, share, ..BatchRule::default() });
        assert_eq!(Joining::of(&BatchRule::default()), None);
        assert_eq!(rule(32, Share::None), None);
        assert_eq!(rule(2, Share::All), Some(Joining { rows_max: 2, share: Share::All }));
    }
}
