//! When to show and when to clear: pure.
//!
//! What holds at all times:
//! * At most one call per destination is under way.
//! * With no lease left no call to show begins, one under way is cut, and one call to clear follows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::message::Destination;

/// Destinations shown at once. Beyond it a turn goes without.
pub const DESTINATIONS_MAX: usize = 10_000;

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Call `show`; its end is told by [`Leases::ended`].
    Show(Destination),
    /// Drop the call under way; its end is told by [`Leases::ended`] as well.
    Cut(Destination),
    /// Call `clear`; its end is told by [`Leases::ended`].
    Clear(Destination),
    /// Call [`Leases::tick`] at this time.
    WakeAt(Timestamp),
}

/// All leases of an account.
#[derive(Debug, Default)]
pub struct Leases {
    refresh: Duration,
    places: Vec<Place>,
    /// Leases by their number.
    at: BTreeMap<u64, Destination>,
}

#[derive(Debug)]
struct Place {
    to: Destination,
    leases: usize,
    call: Call,
    /// When to show it again.
    due: Timestamp,
}

/// What is under way at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    None,
    Show,
    /// A call to show that is being dropped.
    Cut,
    Clear,
}

impl Leases {
    /// None yet.
    pub fn new(refresh: Duration) -> Self {
        Self { refresh: refresh.max(Duration::from_millis(100)), ..Self::default() }
    }

    /// A lease begins.
    pub fn start(&mut self, lease: u64, to: Destination, now: Timestamp) -> Vec<Effect> {
        let place = match self.places.iter().position(|place| place.to == to) {
            Some(at) => at,
            None if self.places.len() >= DESTINATIONS_MAX => return Vec::new(),
            None => {
                let to = to.clone();
                self.places.push(Place { to, leases: 0, call: Call::None, due: now });
                self.places.len() - 1
            }
        };
        if self.at.insert(lease, to).is_none() {
            self.places[place].leases += 1;
        }
        self.proceed(place, now)
    }

    /// A lease ends. One that is not known has no effect.
    pub fn end(&mut self, lease: u64, now: Timestamp) -> Vec<Effect> {
        let Some(to) = self.at.remove(&lease) else { return Vec::new() };
        let Some(at) = self.places.iter().position(|place| place.to == to) else {
            return Vec::new();
        };
        let place = &mut self.places[at];
        place.leases -= 1;
        if place.leases > 0 {
            return Vec::new();
        }
        match place.call {
            Call::Show => {
                place.call = Call::Cut;
                vec![Effect::Cut(to)]
            }
            Call::None => {
                place.call = Call::Clear;
                vec![Effect::Clear(to)]
            }
            // What follows is decided when it has ended.
            Call::Cut | Call::Clear => self.proceed(at, now),
        }
    }

    /// A call has ended, well or not.
    pub fn ended(&mut self, to: &Destination, now: Timestamp) -> Vec<Effect> {
        let Some(at) = self.places.iter().position(|place| place.to == *to) else {
            return Vec::new();
        };
        let place = &mut self.places[at];
        let call = std::mem::replace(&mut place.call, Call::None);
        if place.leases > 0 {
            if call != Call::Show {
                place.due = now;
            }
            return self.proceed(at, now);
        }
        if call == Call::Clear {
            self.places.swap_remove(at);
            return Vec::new();
        }
        place.call = Call::Clear;
        vec![Effect::Clear(to.clone())]
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        (0..self.places.len()).flat_map(|at| self.proceed(at, now)).collect()
    }

    /// Shows what is due.
    fn proceed(&mut self, at: usize, now: Timestamp) -> Vec<Effect> {
        let place = &mut self.places[at];
        if place.leases == 0 || place.call != Call::None {
            return Vec::new();
        }
        if place.due > now {
            return vec![Effect::WakeAt(place.due)];
        }
        place.call = Call::Show;
        place.due = now.plus(self.refresh);
        vec![Effect::Show(place.to.clone())]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::AccountKey;

    fn place(nth: u8) -> Destination {
        Destination {
            account: AccountKey::new("fake", "default"),
            target: nth.to_string(),
            thread: None,
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Start(u8),
        End(u8),
        CallEnds(u8),
        Wait(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..3).prop_map(Step::Start),
            any::<u8>().prop_map(Step::End),
            (0u8..3).prop_map(Step::CallEnds),
            (0u16..10_000).prop_map(Step::Wait),
        ]
    }

    /// The platform: what is under way and what is shown, by place.
    #[derive(Default)]
    struct Shown(BTreeMap<String, (Option<&'static str>, bool)>);

    impl Shown {
        fn see(
            &mut self,
            effects: Vec<Effect>,
            live: &BTreeMap<u64, u8>,
        ) -> Result<(), TestCaseError> {
            for effect in effects {
                let (call, to) = match effect {
                    Effect::Show(to) => ("show", to),
                    Effect::Clear(to) => ("clear", to),
                    Effect::Cut(to) => ("cut", to),
                    Effect::WakeAt(_) => continue,
                };
                let is_leased = live.values().any(|nth| nth.to_string() == to.target);
                let seen = self.0.entry(to.target).or_default();
                match call {
                    "show" => {
                        prop_assert!(is_leased, "shown without a lease");
                        prop_assert_eq!(seen.0, None, "one call at a time");
                        *seen = (Some(call), true);
                    }
                    "clear" => {
                        prop_assert_eq!(seen.0, None, "one call at a time");
                        *seen = (Some(call), false);
                    }
                    _ => {
                        prop_assert_eq!(seen.0, Some("show"), "only a call to show is cut");
                        seen.0 = Some("cut");
                    }
                }
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn nothing_is_shown_without_a_lease_and_all_is_cleared(
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let mut now = Timestamp(0);
            let mut leases = Leases::new(Duration::from_secs(6));
            let (mut shown, mut live, mut next) = (Shown::default(), BTreeMap::new(), 0u64);
            for step in steps {
                let effects = match step {
                    Step::Start(nth) => {
                        next += 1;
                        live.insert(next, nth);
                        leases.start(next, place(nth), now)
                    }
                    Step::End(nth) if next > 0 => {
                        let lease = u64::from(nth) % next + 1;
                        live.remove(&lease);
                        leases.end(lease, now)
                    }
                    Step::CallEnds(nth) => match shown.0.get_mut(&nth.to_string()) {
                        Some(seen) if seen.0.is_some() => {
                            seen.0 = None;
                            leases.ended(&place(nth), now)
                        }
                        _ => continue,
                    },
                    Step::Wait(millis) => {
                        now = Timestamp(now.0 + i64::from(millis));
                        leases.tick(now)
                    }
                    Step::End(_) => continue,
                };
                shown.see(effects, &live)?;
            }
            // Everything ends: what was shown is cleared.
            for lease in std::mem::take(&mut live).into_keys() {
                let effects = leases.end(lease, now);
                shown.see(effects, &live)?;
            }
            for nth in [0, 1, 2, 0, 1, 2, 0, 1, 2] {
                let target = nth.to_string();
                if shown.0.get_mut(&target).is_some_and(|seen| seen.0.take().is_some()) {
                    let effects = leases.ended(&place(nth), now);
                    shown.see(effects, &live)?;
                }
            }
            prop_assert!(shown.0.values().all(|seen| *seen == (None, false)), "{:?}", shown.0);
            prop_assert!(leases.places.is_empty() && leases.at.is_empty());
        }
    }

    #[test]
    fn it_is_shown_again_while_the_turn_runs() {
        let mut leases = Leases::new(Duration::from_secs(6));
        let (to, at) = (place(1), |secs: i64| Timestamp(secs * 1000));
        assert_eq!(leases.start(1, to.clone(), at(0)), [Effect::Show(to.clone())]);
        assert_eq!(leases.ended(&to, at(1)), [Effect::WakeAt(at(6))]);
        assert_eq!(leases.tick(at(6)), [Effect::Show(to.clone())]);
        assert_eq!(leases.end(1, at(7)), [Effect::Cut(to.clone())]);
        assert_eq!(leases.ended(&to, at(7)), [Effect::Clear(to.clone())]);
        assert_eq!(leases.ended(&to, at(8)), []);
        assert_eq!(leases.tick(at(60)), []);
    }
}
