//! What previews of one account are to show and when. Pure.
//!
//! At most one thing is done about a preview at a time, with a pause between two, and whatever was
//! shown is removed when its turn has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::chunk::chunk;
use crate::channel::{Capabilities, preview::PreviewRecord};
use crate::clock::Timestamp;
use crate::message::{AccountKey, Destination};
use crate::stream::{StreamEvent, StreamKind};

/// Failures of one preview before it is given up.
const FAILURES_MAX: u32 = 3;

/// How previews are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewLimits {
    /// Characters before the first sight: a word alone tells nobody anything.
    pub chars_min: usize,
    /// Pause between two changes; platforms limit edits to about one a second.
    pub pause: Duration,
}

impl Default for PreviewLimits {
    fn default() -> Self {
        Self { chars_min: 30, pause: Duration::from_secs(1) }
    }
}

/// Whose preview: a session's turn.
pub type Whose = (Arc<str>, u64);

/// What is to be done on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Show it for the first time.
    Show(Destination, String),
    /// Put another text in place of this one's.
    Change(Destination, String, String),
    /// Remove this one.
    Remove(Destination, String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It stands, under this id.
    Shown(String),
    /// It has the other text.
    Changed,
    /// It is gone.
    Removed,
    /// Nothing changed, or nobody knows.
    Failed,
}

/// The previews of one account.
#[derive(Debug)]
pub struct Drafts {
    account: AccountKey,
    platform: Capabilities,
    limits: PreviewLimits,
    all: BTreeMap<Whose, Draft>,
}

#[derive(Debug)]
struct Draft {
    to: Destination,
    text: String,
    is_stale: bool,
    shown: Option<String>,
    is_busy: bool,
    has_ended: bool,
    failures: u32,
    not_before: Timestamp,
}

impl Draft {
    fn new(to: Destination) -> Self {
        Self {
            to,
            text: String::new(),
            is_stale: false,
            shown: None,
            is_busy: false,
            has_ended: false,
            failures: 0,
            not_before: Timestamp(0),
        }
    }
}

impl Drafts {
    /// None yet.
    pub fn new(account: AccountKey, platform: Capabilities, limits: PreviewLimits) -> Self {
        Self { account, platform, limits, all: BTreeMap::new() }
    }

    /// One that an earlier life has left: it goes.
    pub fn left_over(&mut self, record: PreviewRecord) {
        let draft = Draft { shown: Some(record.id), has_ended: true, ..Draft::new(record.to) };
        self.all.insert((record.session.into(), record.turn), draft);
    }

    /// Something was told about some turn.
    pub fn hear(&mut self, event: StreamEvent) {
        let whose = (event.session, event.turn);
        match event.kind {
            StreamKind::Started { to } if to.account == self.account => self.begin(whose, to),
            StreamKind::Answering { .. } => self.with(&whose, |draft| draft.text.clear()),
            StreamKind::Text(piece) => self.with(&whose, |draft| {
                draft.text.push_str(&piece);
                draft.is_stale = true;
            }),
            StreamKind::Answered { .. } | StreamKind::Failed { .. } => {
                self.with(&whose, |draft| draft.has_ended = true);
            }
            StreamKind::Started { .. } | StreamKind::Tool(_) => {}
        }
    }

    /// Something was missed, perhaps an end: what stands goes.
    pub fn lose_track(&mut self) {
        for draft in self.all.values_mut() {
            draft.has_ended = true;
        }
    }

    fn begin(&mut self, whose: Whose, to: Destination) {
        for ((session, turn), draft) in &mut self.all {
            draft.has_ended |= *session == whose.0 && *turn != whose.1;
        }
        let draft = self.all.entry(whose).or_insert_with(|| Draft::new(to));
        draft.text.clear();
        draft.has_ended = false;
    }

    fn with(&mut self, whose: &Whose, change: impl FnOnce(&mut Draft)) {
        if let Some(draft) = self.all.get_mut(whose) {
            change(draft);
        }
    }

    /// What is to be done now, and when to look again.
    pub fn plan(&mut self, now: Timestamp) -> (Vec<(Whose, Op)>, Option<Timestamp>) {
        self.all.retain(|_, draft| !(draft.has_ended && !draft.is_busy && draft.shown.is_none()));
        let (mut ops, mut wake_at) = (Vec::new(), None::<Timestamp>);
        for (whose, draft) in &mut self.all {
            if draft.is_busy || !draft.wants_something(self.limits.chars_min) {
                continue;
            }
            if draft.not_before > now {
                wake_at = Some(wake_at.map_or(draft.not_before, |at| at.min(draft.not_before)));
                continue;
            }
            if let Some(op) = draft.next(&self.platform) {
                draft.is_busy = true;
                ops.push((whose.clone(), op));
            }
        }
        (ops, wake_at)
    }

    /// Something planned has ended. Tells whether the preview is forgotten with it.
    pub fn done(&mut self, whose: &Whose, done: Done, now: Timestamp) -> bool {
        let Some(draft) = self.all.get_mut(whose) else { return true };
        draft.is_busy = false;
        draft.not_before = now.plus(self.limits.pause);
        match done {
            Done::Shown(id) => draft.shown = Some(id),
            Done::Changed => {}
            Done::Removed => draft.shown = None,
            Done::Failed => {
                draft.failures += 1;
                if draft.failures >= FAILURES_MAX {
                    self.all.remove(whose);
                    return true;
                }
                // What could not be shown may still be shown with the next piece.
                return false;
            }
        }
        draft.failures = 0;
        false
    }

    /// Whether nothing is to be shown or removed.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Draft {
    fn wants_something(&self, chars_min: usize) -> bool {
        if self.has_ended {
            return self.shown.is_some();
        }
        let is_enough = self.shown.is_some() || self.text.chars().nth(chars_min).is_some();
        self.is_stale && is_enough
    }

    fn next(&mut self, platform: &Capabilities) -> Option<Op> {
        let to = self.to.clone();
        if self.has_ended {
            return Some(Op::Remove(to, self.shown.clone()?));
        }
        self.is_stale = false;
        // Of a long answer the beginning: a preview is one message.
        let text = chunk(&self.text, platform.text_max, platform.text_unit).into_iter().next()?;
        Some(match self.shown.clone() {
            Some(id) => Op::Change(to, id, text),
            None => Op::Show(to, text),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::LengthUnit;

    fn account() -> AccountKey {
        AccountKey::new("fake", "default")
    }

    fn drafts(chars_min: usize) -> Drafts {
        let platform = Capabilities {
            text_max: 40,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 1,
            leaves_evidence: true,
        };
        let pause = Duration::from_millis(10);
        Drafts::new(account(), platform, PreviewLimits { chars_min, pause })
    }

    fn event(session: u8, turn: u64, kind: StreamKind) -> StreamEvent {
        StreamEvent { session: session.to_string().into(), turn, kind }
    }

    fn begun(session: u8) -> StreamKind {
        let (account, target) = (account(), session.to_string());
        StreamKind::Started { to: Destination { account, target, thread: None } }
    }

    fn ended() -> StreamKind {
        StreamKind::Answered { text: "".into(), is_sent: true }
    }

    #[derive(Debug, Clone)]
    enum Move {
        Begin(u8, u64),
        Say(u8, u64),
        Again(u8, u64),
        End(u8, u64),
        Gap,
        Done(usize, bool),
        Wait(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let whose = || (0u8..2, 0u64..3);
        let one = prop_oneof![
            whose().prop_map(|(s, t)| Move::Begin(s, t)),
            whose().prop_map(|(s, t)| Move::Say(s, t)),
            whose().prop_map(|(s, t)| Move::Say(s, t)),
            whose().prop_map(|(s, t)| Move::Again(s, t)),
            whose().prop_map(|(s, t)| Move::End(s, t)),
            Just(Move::Gap),
            (0usize..3, prop::bool::weighted(0.9)).prop_map(|(at, ok)| Move::Done(at, ok)),
            (0usize..3).prop_map(|at| Move::Done(at, true)),
            (1i64..20).prop_map(Move::Wait),
        ];
        prop::collection::vec(one, 0..120)
    }

    /// The platform: what stands, and what is being done.
    #[derive(Default)]
    struct World {
        standing: BTreeMap<String, Whose>,
        running: Vec<(Whose, Op)>,
        shown: u32,
    }

    impl World {
        fn finish(&mut self, at: usize, is_fine: bool) -> Option<(Whose, Done)> {
            if at >= self.running.len() {
                return None;
            }
            let (whose, op) = self.running.remove(at);
            let done = match op {
                _ if !is_fine => Done::Failed,
                Op::Show(..) => {
                    self.shown += 1;
                    let id = self.shown.to_string();
                    self.standing.insert(id.clone(), whose.clone());
                    Done::Shown(id)
                }
                Op::Change(..) => Done::Changed,
                Op::Remove(_, id) => {
                    self.standing.remove(&id);
                    Done::Removed
                }
            };
            Some((whose, done))
        }
    }

    proptest! {
        #[test]
        fn one_at_a_time_and_nothing_stays(moves in moves()) {
            let (mut drafts, mut world, mut now) = (drafts(0), World::default(), Timestamp(0));
            // A preview whose removal failed again and again stays: the platform's doing.
            let mut given_up = 0;
            for step in moves {
                match step {
                    Move::Begin(session, turn) => drafts.hear(event(session, turn, begun(session))),
                    Move::Say(session, turn) => {
                        drafts.hear(event(session, turn, StreamKind::Text("ab ".into())));
                    }
                    Move::Again(session, turn) => {
                        drafts.hear(event(session, turn, StreamKind::Answering { round: 0 }));
                    }
                    Move::End(session, turn) => drafts.hear(event(session, turn, ended())),
                    Move::Gap => drafts.lose_track(),
                    Move::Done(at, is_fine) => {
                        if let Some((whose, done)) = world.finish(at, is_fine)
                            && drafts.done(&whose, done, now)
                        {
                            given_up += world.standing.values().filter(|one| **one == whose).count();
                        }
                    }
                    Move::Wait(millis) => now = Timestamp(now.0 + millis),
                }
                for (whose, op) in drafts.plan(now).0 {
                    prop_assert!(world.running.iter().all(|(other, _)| *other != whose), "two at once");
                    if let Op::Show(_, text) | Op::Change(_, _, text) = &op {
                        prop_assert!(!text.is_empty() && text.chars().count() <= 40);
                    }
                    world.running.push((whose, op));
                }
            }
            for session in 0..2 {
                for turn in 0..3 {
                    drafts.hear(event(session, turn, ended()));
                }
            }
            for _ in 0..20 {
                now = Timestamp(now.0 + 100);
                while let Some((whose, done)) = world.finish(0, true) {
                    drafts.done(&whose, done, now);
                }
                now = Timestamp(now.0 + 100);
                world.running.extend(drafts.plan(now).0);
            }
            prop_assert!(drafts.is_empty());
            prop_assert!(world.standing.len() <= given_up, "{:?}", world.standing);
        }
    }

    #[test]
    fn a_word_is_not_shown_and_a_change_waits() {
        let mut drafts = drafts(5);
        drafts.hear(event(1, 7, begun(1)));
        drafts.hear(event(1, 7, StreamKind::Text("Hi".into())));
        assert_eq!(drafts.plan(Timestamp(0)), (vec![], None));
        drafts.hear(event(1, 7, StreamKind::Text(" there, you".into())));
        let (ops, _) = drafts.plan(Timestamp(0));
        assert!(matches!(&ops[0].1, Op::Show(_, text) if text == "Hi there, you"), "{ops:?}");
        drafts.done(&ops[0].0, Done::Shown("m1".into()), Timestamp(0));
        drafts.hear(event(1, 7, StreamKind::Text("!".into())));
        assert_eq!(drafts.plan(Timestamp(1)), (vec![], Some(Timestamp(10))));
        let (ops, _) = drafts.plan(Timestamp(10));
        assert!(matches!(&ops[0].1, Op::Change(_, id, _) if id == "m1"), "{ops:?}");
    }
}
