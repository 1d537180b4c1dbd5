//! What is sent of a heartbeat's answer.
//!
//! An agent that finds nothing answers [`OK_TOKEN`], perhaps with a few words. Anything else is news,
//! unless it is what it said already.

use std::time::Duration;

use super::record::SaidRecord;
use super::status::Outcome;
use super::target::Route;
use super::visibility::Visibility;
use crate::clock::Timestamp;
use crate::reply::is_silent;

/// What an agent answers when nothing needs attention.
pub const OK_TOKEN: &str = "HEARTBEAT_OK";
/// Characters an agent may say beside the token.
pub const OK_CHARS_MAX: usize = 300;
/// The same text is not sent again within this time.
const SAME_FOR: Duration = Duration::from_hours(24);

/// What an answer is judged by.
#[derive(Debug, Clone)]
pub struct ReplyFacts<'a> {
    /// What the agent said.
    pub answer: &'a str,
    /// Characters it may say beside the token.
    pub ok_chars: usize,
    /// Whether it was told of events: then it speaks of them, in the same words or not.
    pub has_events: bool,
    /// What is shown where it goes.
    pub visibility: Visibility,
    /// Where it goes.
    pub route: Option<Route>,
    /// What was sent last.
    pub said: Option<&'a SaidRecord>,
    /// The present moment.
    pub now: Timestamp,
}

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// How the heartbeat ends if this comes to pass.
    pub outcome: Outcome,
    /// What is sent, if anything is.
    pub text: Option<String>,
    /// Why nothing is sent.
    pub reason: Option<&'static str>,
}

impl Judged {
    fn kept(outcome: Outcome, reason: &'static str) -> Self {
        Self { outcome, text: None, reason: Some(reason) }
    }

    /// Whether the answer says that nothing needs attention.
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::OkEmpty | Outcome::OkToken)
    }
}

/// Judges an answer.
pub fn judge(facts: &ReplyFacts<'_>) -> Judged {
    let (text, has_token) = stripped(facts.answer);
    let ok = if !has_token && (text.is_empty() || is_silent(text)) {
        Some((Outcome::OkEmpty, "ok-empty"))
    } else if has_token && (text.chars().count() <= facts.ok_chars || is_silent(text)) {
        Some((Outcome::OkToken, "ok-token"))
    } else {
        None
    };
    if let Some((outcome, reason)) = ok {
        let shown = facts.visibility.ok && facts.route.is_some();
        let text = shown.then(|| OK_TOKEN.to_owned());
        return Judged { outcome, reason: text.is_none().then_some(reason), text };
    }
    let is_same = |said: &&SaidRecord| said.text == text && facts.now.since(said.at) < SAME_FOR;
    if !facts.has_events && facts.said.as_ref().is_some_and(is_same) {
        return Judged::kept(Outcome::Skipped, "duplicate");
    }
    if !facts.visibility.alerts {
        return Judged::kept(Outcome::Skipped, "alerts-disabled");
    }
    if facts.route.is_none() {
        return Judged::kept(Outcome::Skipped, "no-target");
    }
    Judged { outcome: Outcome::Sent, text: Some(text.to_owned()), reason: None }
}

/// An answer without the token at its beginning and end, and whether it was there. In the middle it
/// is a word like any other.
pub fn stripped(answer: &str) -> (&str, bool) {
    let (mut text, mut found) = (answer.trim(), false);
    loop {
        let shorter = without_head(text).or_else(|| without_tail(text));
        let Some(shorter) = shorter else { return (text, found) };
        (text, found) = (shorter.trim(), true);
    }
}

/// Signs that models put around a word to make it stand out.
const MARKS: [char; 4] = ['*', '`', '_', '~'];

fn without_head(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(MARKS).strip_prefix(OK_TOKEN)?;
    let is_whole = !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    // The signs behind it belong to it; a sentence goes on behind its full stop.
    is_whole.then(|| rest.trim_start_matches(MARKS).trim_start_matches(['.', '!', ',', ':', ';']))
}

fn without_tail(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(['.', '!']).trim_end_matches(MARKS);
    let rest = text.strip_suffix(OK_TOKEN)?;
    let is_whole = !rest.ends_with(|last: char| last.is_alphanumeric());
    is_whole.then(|| rest.trim_end_matches(MARKS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{AccountKey, Destination};

    fn route() -> Route {
        let to = Destination {
            account: AccountKey::new("fake", "default"),
            target: "anna".into(),
            thread: None,
        };
        Route { to, is_direct: true }
    }

    fn facts(answer: &str) -> ReplyFacts<'_> {
        ReplyFacts {
            answer,
            ok_chars: 10,
            has_events: false,
            visibility: Visibility::default(),
            route: Some(route()),
            said: None,
            now: Timestamp(100_000_000),
        }
    }

    fn ended(facts: &ReplyFacts<'_>) -> (&'static str, Option<String>, Option<&'static str>) {
        let judged = judge(facts);
        (judged.outcome.name(), judged.text, judged.reason)
    }

    #[test]
    fn the_token_at_either_end_is_taken_off() {
        for (answer, text) in [
            ("HEARTBEAT_OK", ""),
            ("  **HEARTBEAT_OK**. ", ""),
            ("`HEARTBEAT_OK`", ""),
            ("HEARTBEAT_OK All quiet.", "All quiet."),
            ("HEARTBEAT_OK. All quiet.", "All quiet."),
            ("All quiet. HEARTBEAT_OK", "All quiet."),
            ("HEARTBEAT_OK\nAll quiet.\nHEARTBEAT_OK", "All quiet."),
        ] {
            assert_eq!(stripped(answer), (text, true), "{answer:?}");
        }
        for answer in ["I say HEARTBEAT_OK when all is well", "HEARTBEAT_OKAY", "xHEARTBEAT_OK", ""]
        {
            assert_eq!(stripped(answer), (answer, false), "{answer:?}");
        }
    }

    #[test]
    fn what_is_ok_is_kept_back_and_what_is_news_is_sent() {
        let kept = |answer| ended(&facts(answer));
        assert_eq!(kept("HEARTBEAT_OK"), ("ok-token", None, Some("ok-token")));
        assert_eq!(kept("HEARTBEAT_OK 123456789"), ("ok-token", None, Some("ok-token")));
        assert_eq!(kept("no_reply"), ("ok-empty", None, Some("ok-empty")));
        assert_eq!(kept(" \n"), ("ok-empty", None, Some("ok-empty")));
        let news = "HEARTBEAT_OK but the house burns";
        assert_eq!(kept(news), ("sent", Some("but the house burns".into()), None));
        assert_eq!(kept("short"), ("sent", Some("short".into()), None));
    }

    #[test]
    fn the_same_news_is_sent_once_a_day_unless_something_happened() {
        let day = 24 * 3_600_000;
        let said = SaidRecord { at: Timestamp(100_000_000 - day + 1), text: "fire".into() };
        let again = ReplyFacts { said: Some(&said), ..facts("HEARTBEAT_OK fire") };
        // With few words beside the token it is OK in any case.
        assert_eq!(judge(&again).outcome, Outcome::OkToken);
        let again = ReplyFacts { answer: "fire ", ..again };
        assert_eq!(ended(&again), ("skipped", None, Some("duplicate")));
        let told = ReplyFacts { has_events: true, ..again.clone() };
        assert_eq!(judge(&told).outcome, Outcome::Sent);
        let later = ReplyFacts { now: Timestamp(100_000_001), ..again.clone() };
        assert_eq!(judge(&later).outcome, Outcome::Sent);
        let other = ReplyFacts { answer: "flood", ..again };
        assert_eq!(judge(&other).outcome, Outcome::Sent);
    }

    #[test]
    fn visibility_and_target_have_their_say() {
        let visibility = Visibility { ok: true, alerts: false, indicator: false };
        let shown = ReplyFacts { visibility, ..facts("all well HEARTBEAT_OK") };
        assert_eq!(ended(&shown), ("ok-token", Some(OK_TOKEN.into()), None));
        let hidden = ReplyFacts { answer: "fire", ..shown.clone() };
        assert_eq!(ended(&hidden), ("skipped", None, Some("alerts-disabled")));
        let nowhere = ReplyFacts { route: None, ..facts("fire") };
        assert_eq!(ended(&nowhere), ("skipped", None, Some("no-target")));
        let nowhere = ReplyFacts { route: None, ..shown };
        assert_eq!(ended(&nowhere), ("ok-token", None, Some("ok-token")));
    }

    proptest! {
        #[test]
        fn what_is_left_neither_begins_nor_ends_with_the_token(
            parts in prop::collection::vec(
                prop_oneof![Just("HEARTBEAT_OK".to_owned()), "[a-z .*]{1,8}"], 0..6),
        ) {
            let text = parts.join(" ");
            let (rest, found) = stripped(&text);
            prop_assert_eq!(stripped(rest), (rest, false));
            prop_assert!(found || rest == text.trim());
        }

        #[test]
        fn nothing_is_sent_that_says_ok_and_nothing_else_is_lost(
            words in "[a-z]{1,30}", token in any::<bool>(),
        ) {
            let answer = if token { format!("{words} HEARTBEAT_OK") } else { words.clone() };
            let judged = judge(&facts(&answer));
            if token && words.len() <= 10 {
                prop_assert_eq!(judged.text, None);
            } else {
                prop_assert_eq!(judged.text, Some(words));
            }
        }
    }
}
