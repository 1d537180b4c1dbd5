//! What a person says to the gateway itself, not to the agent: `/stop`, `/queue`, `/compact` and
//! what [`query`](super::query) answers.
//!
//! A command is obeyed when it arrives; it waits in no lane. Anything else that begins with a slash
//! is a message to the agent.

use super::lane::{DropPolicy, Mode};
use super::query::Query;
use super::queue::QueueChoice;

/// Longest quiet time a person can choose, in milliseconds: more would look like silence.
const QUIET_MILLIS_MAX: u64 = 600_000;
/// Largest cap a person can choose.
const CAP_MAX: u32 = 1_000;

/// What follows it is the message, also if it reads like an option.
const VERBATIM: &str = "--";

/// Words that stop a running turn when they are all of a message, compared without case and without
/// punctuation behind them. With nothing running they are ordinary messages.
const STOP_WORDS: [&str; 12] = [
    "stop",
    "esc",
    "abort",
    "exit",
    "interrupt",
    "halt",
    "stopp",
    "please stop",
    "stop please",
    "stop action",
    "stop run",
    "stop agent",
];

/// A message, as the gateway reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/stop`, `/abort`: end the running turn and drop what waits.
    Stop,
    /// The same in a bare word: only if there is something to stop.
    StopWord,
    /// `/queue`: how does this session queue?
    Show,
    /// `/queue steer cap:5`: from now on like this.
    Choose(QueueChoice),
    /// `/queue default`: as configured again.
    Reset,
    /// A `/queue` nobody understands: a sentence that says what is wrong.
    Wrong(String),
    /// `/compact`, with what matters: sum up the older part of the conversation.
    Compact(String),
    /// `/status`, `/model` and the like.
    Ask(Query),
    /// `/queue steer and this`, `/queue steer -- collect`, `/steer this`: this message only, without
    /// the command.
    Once(Mode, String),
}

impl Command {
    /// The command a text is; nothing if it is for the agent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some(line) = text.strip_prefix('/') else {
            return is_stop_word(text).then_some(Self::StopWord);
        };
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (name, rest) = (name.trim_end_matches(':').to_ascii_lowercase(), rest.trim());
        match name.as_str() {
            "stop" | "abort" if rest.is_empty() => Some(Self::Stop),
            "queue" => Some(queue(rest)),
            "steer" if !rest.is_empty() => Some(Self::Once(Mode::Steer, rest.to_owned())),
            "compact" => Some(Self::Compact(rest.to_owned())),
            name => Query::parse(name, rest).map(Self::Ask),
        }
    }
}

/// The text of a message that waits in this way, whatever it says: it is read back as
/// [`Command::Once`].
pub fn once(mode: Mode, text: &str) -> String {
    format!("/queue {} {VERBATIM} {text}", mode.name())
}

fn is_stop_word(text: &str) -> bool {
    let said = text.trim_end_matches(['.', '!', '?', '…', ',', ' ']).to_lowercase();
    STOP_WORDS.contains(&said.as_str())
}

/// What follows `/queue`: options, then perhaps a message.
fn queue(mut rest: &str) -> Command {
    if rest.is_empty() || rest.eq_ignore_ascii_case("status") {
        return Command::Show;
    }
    if ["default", "reset", "clear"].iter().any(|word| rest.eq_ignore_ascii_case(word)) {
        return Command::Reset;
    }
    let mut choice = QueueChoice::default();
    let mut is_verbatim = false;
    while !rest.is_empty() && !is_verbatim {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match option(word) {
            _ if word == VERBATIM => is_verbatim = true,
            Some(Ok(chosen)) => choice = choice.and(chosen),
            Some(Err(wrong)) => return Command::Wrong(wrong),
            None => break,
        }
        rest = after.trim_start();
    }
    match (choice.mode, rest) {
        (_, "") if is_verbatim => Command::Wrong(format!("no message follows {VERBATIM}")),
        (_, "") => Command::Choose(choice),
        (Some(mode), text)
            if choice == (QueueChoice { mode: Some(mode), ..QueueChoice::default() }) =>
        {
            Command::Once(mode, text.to_owned())
        }
        (_, text) => Command::Wrong(format!("{:?} is no option", first_word(text))),
    }
}

/// One option; nothing if the word is none.
fn option(word: &str) -> Option<Result<QueueChoice, String>> {
    let chosen = QueueChoice::default();
    let Some((name, value)) = word.split_once([':', '=']) else {
        return Mode::named(word).map(|mode| Ok(QueueChoice { mode: Some(mode), ..chosen }));
    };
    Some(match name.to_ascii_lowercase().as_str() {
        "debounce" => match millis(value) {
            Some(millis) => Ok(QueueChoice { quiet_millis: Some(millis), ..chosen }),
            None => {
                Err(format!("debounce:{value} is no time up to ten minutes, such as 500ms or 2s"))
            }
        },
        "cap" => match value.parse() {
            Ok(cap @ 1..=CAP_MAX) => Ok(QueueChoice { cap: Some(cap), ..chosen }),
            _ => Err(format!("cap:{value} is no number from 1 to {CAP_MAX}")),
        },
        "drop" => match DropPolicy::named(value) {
            Some(policy) => Ok(QueueChoice { drop: Some(policy), ..chosen }),
            None => Err(format!("drop:{value} is none of summarize, old, new")),
        },
        _ => return None,
    })
}

/// `500`, `500ms`, `2s` or `1m`, in milliseconds.
fn millis(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (millis <= QUIET_MILLIS_MAX).then_some(millis)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_told_from_messages() {
        for text in ["/stop", " /STOP ", "/abort", "/stop:"] {
            assert_eq!(Command::parse(text), Some(Command::Stop), "{text}");
        }
        for text in ["stop", "Stop!", "please stop...", "ABORT"] {
            assert_eq!(Command::parse(text), Some(Command::StopWord), "{text}");
        }
        for text in ["", "/", "stop the car", "/stop it", "/stopwatch", "/queues", "/steer", "wait"]
        {
            assert_eq!(Command::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_queue_command_says_what_it_changes() {
        let all = QueueChoice {
            mode: Some(Mode::Collect),
            quiet_millis: Some(2_000),
            cap: Some(5),
            drop: Some(DropPolicy::New),
        };
        let text = "/queue collect debounce:2s cap:5 drop:new";
        assert_eq!(Command::parse(text), Some(Command::Choose(all)));
        assert_eq!(Command::parse("/queue"), Some(Command::Show));
        assert_eq!(Command::parse("/queue Default"), Some(Command::Reset));
        let said = |mode, text: &str| Some(Command::Once(mode, text.into()));
        assert_eq!(Command::parse("/queue interrupt do that"), said(Mode::Interrupt, "do that"));
        assert_eq!(Command::parse("/steer left  now"), said(Mode::Steer, "left  now"));
        let verbatim = "/queue followup -- collect my mail";
        assert_eq!(Command::parse(verbatim), said(Mode::Followup, "collect my mail"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, part) in [
            ("/queue stear", "\"stear\""),
            ("/queue steer cap:0", "cap:0"),
            ("/queue debounce:1h", "debounce:1h"),
            ("/queue debounce:11m", "debounce:11m"),
            ("/queue drop:all", "drop:all"),
            ("/queue cap:5 hello", "\"hello\""),
            ("/queue -- hello", "\"hello\""),
            ("/queue steer cap:5 -- hello", "\"hello\""),
            ("/queue steer --", "no message"),
        ] {
            let Some(Command::Wrong(wrong)) = Command::parse(text) else { panic!("{text}") };
            assert!(wrong.contains(part), "{text}: {wrong}");
        }
    }

    proptest! {
        // What stands beside a mode is never read as part of it.
        #[test]
        fn a_message_that_waits_in_its_own_way_is_read_back(
            text in "(steer|cap:5|drop:old|--|status|default|/stop|[a-z]{1,5})( [a-z:=0-9-]{1,8}){0,3}",
            mode in 0usize..4,
        ) {
            let mode = [Mode::Steer, Mode::Followup, Mode::Collect, Mode::Interrupt][mode];
            prop_assert_eq!(Command::parse(&once(mode, &text)), Some(Command::Once(mode, text)));
        }

        // Whatever is typed has a meaning, and a choice read back is the same choice.
        #[test]
        fn parsing_never_fails_and_choices_round_trip(
            text in "\\PC{0,40}|/queue [a-z:0-9 ]{0,30}",
            mode in 0usize..4,
            quiet in 0u64..=QUIET_MILLIS_MAX,
            cap in 1u32..=CAP_MAX,
        ) {
            drop(Command::parse(&text));
            let mode = [Mode::Steer, Mode::Followup, Mode::Collect, Mode::Interrupt][mode];
            let (quiet_millis, drop) = (Some(quiet), Some(DropPolicy::Old));
            let choice = QueueChoice { mode: Some(mode), quiet_millis, cap: Some(cap), drop };
            let settings = choice.over(crate::session::lane::LaneSettings::default());
            let parsed = Command::parse(&format!("/queue {settings}"));
            prop_assert_eq!(parsed, Some(Command::Choose(choice)));
        }
    }
}
