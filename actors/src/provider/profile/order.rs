//! Which profile is used next.

use std::time::Duration;

use super::super::FailureClass;
use super::{Block, Profile, State};
use crate::clock::Timestamp;

/// What a call wants of its provider's profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The profile the session has used or its person has named.
    pub pinned: Option<String>,
    /// Whether another model is asked when this provider has nothing to offer.
    pub fallback: bool,
}

/// What there is for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// This profile.
    Use(usize),
    /// All of them rest; the next one is ready after this.
    Resting(Block),
    /// The call has tried all there are.
    Spent,
}

/// The profile for a call of `model`, besides those it has `tried`.
///
/// Usable ones come first: the pinned one, then in the order given if that is `explicit`, else by
/// kind and then the one that was idle longest. When all rest, a call with a fallback moves on. One
/// without waits for a rate limit to pass, and tries anything else once more: the key may have been
/// mended, and otherwise nobody would find out.
pub(in super::super) fn pick(
    profiles: &[(Profile, State)],
    explicit: bool,
    tried: &[usize],
    model: &str,
    wish: &Wish,
    now: Timestamp,
) -> Pick {
    let left = profiles.iter().enumerate().filter(|(place, _)| !tried.contains(place));
    let usable = left.clone().filter(|(_, (_, state))| state.block(model, now).is_none());
    let best = usable.min_by_key(|(place, (profile, state))| {
        let is_pinned = wish.pinned.as_ref() == Some(&profile.id);
        let by_itself = (profile.kind, state.last_used);
        (!is_pinned, (!explicit).then_some(by_itself), *place)
    });
    if let Some((place, _)) = best {
        return Pick::Use(place);
    }
    let blocks = left.filter_map(|(place, (_, state))| Some((place, state.block(model, now)?)));
    match blocks.min_by_key(|(_, block)| block.left) {
        None => Pick::Spent,
        Some((_, block)) if !tried.is_empty() || wish.fallback || is_waited_for(block) => {
            Pick::Resting(block)
        }
        Some((place, _)) => Pick::Use(place),
    }
}

/// A rate that is exceeded passes by waiting, and only by waiting.
fn is_waited_for(block: Block) -> bool {
    block.class == FailureClass::RateLimit && block.left > Duration::ZERO
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Cooldowns, Kind};
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn profile(id: &str, kind: Kind, last_used: i64) -> (Profile, State) {
        let state = State { last_used: Timestamp(last_used), ..State::fresh(0) };
        (Profile { id: id.into(), kind, mark: 0 }, state)
    }

    fn failed(mut profile: (Profile, State), class: FailureClass) -> (Profile, State) {
        profile.1.failed(class, "m", None, NOW, &Cooldowns::default());
        profile
    }

    fn wish(pinned: Option<&str>, fallback: bool) -> Wish {
        Wish { pinned: pinned.map(str::to_owned), fallback }
    }

    #[test]
    fn kinds_then_the_one_idle_longest_then_the_pinned_before_all() {
        let all = [
            profile("a", Kind::ApiKey, 1),
            profile("b", Kind::OAuth, 9),
            profile("c", Kind::OAuth, 5),
            profile("d", Kind::Token, 0),
        ];
        let mut tried = Vec::new();
        for expected in [2, 1, 3, 0] {
            assert_eq!(pick(&all, false, &tried, "m", &Wish::default(), NOW), Pick::Use(expected));
            tried.push(expected);
        }
        assert_eq!(pick(&all, false, &tried, "m", &Wish::default(), NOW), Pick::Spent);
        assert_eq!(pick(&all, true, &[], "m", &Wish::default(), NOW), Pick::Use(0), "as written");
        assert_eq!(pick(&all, false, &[], "m", &wish(Some("a"), true), NOW), Pick::Use(0));
    }

    #[test]
    fn a_pinned_profile_that_rests_is_bypassed() {
        let all = [
            failed(profile("a", Kind::ApiKey, 0), FailureClass::Auth),
            profile("b", Kind::ApiKey, 1),
        ];
        assert_eq!(pick(&all, false, &[], "m", &wish(Some("a"), false), NOW), Pick::Use(1));
    }

    #[test]
    fn when_all_rest_a_fallback_moves_on_and_the_last_resort_is_tried() {
        for (class, is_tried) in [
            (FailureClass::Auth, true),
            (FailureClass::Billing, true),
            (FailureClass::AuthPermanent, true),
            (FailureClass::Timeout, true),
            (FailureClass::RateLimit, false),
        ] {
            let all = [failed(profile("a", Kind::ApiKey, 0), class)];
            let alone = pick(&all, false, &[], "m", &wish(None, false), NOW);
            assert_eq!(alone == Pick::Use(0), is_tried, "{class:?}");
            let moving = pick(&all, false, &[], "m", &wish(None, true), NOW);
            assert!(matches!(moving, Pick::Resting(block) if block.class == class), "{class:?}");
        }
    }

    proptest! {
        #[test]
        fn a_resting_profile_is_never_used_while_another_could_be(
            resting in prop::collection::vec(any::<bool>(), 1..6),
            tried in prop::collection::vec(0usize..6, 0..4),
            fallback: bool, explicit: bool,
        ) {
            let all: Vec<_> = resting.iter().enumerate().map(|(n, rests)| {
                let one = profile(&n.to_string(), Kind::ApiKey, 0);
                if *rests { failed(one, FailureClass::Auth) } else { one }
            }).collect();
            let free = resting.iter().enumerate().any(|(n, rests)| !rests && !tried.contains(&n));
            match pick(&all, explicit, &tried, "m", &wish(None, fallback), NOW) {
                Pick::Use(place) => {
                    prop_assert!(!tried.contains(&place));
                    prop_assert!(!(free && resting[place]));
                    prop_assert!(!(fallback && resting[place]));
                }
                Pick::Resting(_) => prop_assert!(!free),
                Pick::Spent => prop_assert!((0..all.len()).all(|n| tried.contains(&n))),
            }
        }
    }
}
