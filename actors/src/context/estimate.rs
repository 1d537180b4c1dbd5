//! How many tokens something is, before its provider says so.
//!
//! Every provider cuts text in its own way, and none of their tables is here. Counted are the pieces
//! that all of them cut alike: words and their parts, runs of digits, signs, letters of other
//! scripts. What the provider then reports corrects the estimate by a [`Scale`], per session.

use crate::provider::{Part, Request, TurnMessage};

/// Tokens around each message, for its role.
const PER_MESSAGE: u64 = 4;
/// Tokens around each tool, call or result, for its names and braces.
const PER_PIECE: u64 = 8;
/// Tokens of a picture: providers make it smaller until it has no more.
const PER_IMAGE: u64 = 1600;

/// Tokens of a text. Never more than its bytes; never more for a part than for the whole.
pub fn of_text(text: &str) -> u64 {
    let mut tokens = 0;
    let mut run = Run::default();
    for c in text.chars() {
        tokens += run.take(c);
    }
    tokens + run.end()
}

/// Tokens of a message.
pub fn of_message(message: &TurnMessage) -> u64 {
    message.parts.iter().map(of_part).fold(PER_MESSAGE, u64::saturating_add)
}

/// Tokens of everything a model reads in one call.
pub fn of_request(request: &Request) -> u64 {
    let messages = request.messages.iter().map(of_message);
    let tools = request.tools.iter().map(|tool| {
        let schema = of_text(&tool.parameters.to_string());
        of_text(&tool.name) + of_text(&tool.description) + schema + PER_PIECE
    });
    messages.chain(tools).fold(of_text(&request.system), u64::saturating_add)
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => of_text(text),
        Part::Reasoning(reasoning) => of_text(&reasoning.block),
        Part::Call(call) => of_text(&call.name) + of_text(&call.arguments) + PER_PIECE,
        Part::Result(result) => of_text(&result.text) + PER_PIECE,
        Part::Media(media) if media.is_image() => PER_IMAGE,
        Part::Media(media) => u64::try_from(media.bytes.len()).unwrap_or(u64::MAX) / 40 + PER_IMAGE,
    }
}

/// What the characters so far have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    /// Blanks: the first belongs to the word behind it.
    #[default]
    Blank,
    /// Letters of the Latin alphabet: about five make a token.
    Latin,
    /// Digits: three make a token.
    Digit,
    /// Letters of two bytes (Cyrillic, Greek, Arabic, accents): two make a token.
    Letter,
}

impl Kind {
    /// How many of its characters make a token.
    fn size(self) -> u64 {
        match self {
            Kind::Blank => 8,
            Kind::Latin => 5,
            Kind::Digit => 3,
            Kind::Letter => 2,
        }
    }
}

/// A run of characters of one kind.
#[derive(Debug, Default)]
struct Run {
    kind: Kind,
    length: u64,
}

impl Run {
    /// Takes a character; answers the tokens of what ends with it.
    fn take(&mut self, c: char) -> u64 {
        let kind = match c {
            ' ' => Kind::Blank,
            'a'..='z' | 'A'..='Z' => Kind::Latin,
            '0'..='9' => Kind::Digit,
            '\u{80}'..='\u{7ff}' => Kind::Letter,
            // Signs and line ends stand for themselves, as do the letters of longer scripts; what
            // lies beyond them (emoji, rare letters) is cut into pieces.
            _ => return self.end() + if c > '\u{ffff}' { 2 } else { 1 },
        };
        if kind == self.kind {
            self.length += 1;
            return 0;
        }
        let tokens = self.end();
        *self = Self { kind, length: 1 };
        tokens
    }

    /// The tokens of the run, which ends here.
    fn end(&mut self) -> u64 {
        let Self { kind, length } = std::mem::take(self);
        match kind {
            Kind::Blank => length / kind.size(),
            Kind::Latin | Kind::Digit | Kind::Letter => length.div_ceil(kind.size()),
        }
    }
}

/// What a token of the estimate is in the provider's tokens, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale(u32);

/// What a scale can be: beyond it a provider reports something else than what it was sent.
const SCALE_MIN: u32 = 500;
const SCALE_MAX: u32 = 3000;
/// Reports for fewer tokens teach nothing: what surrounds them weighs more.
const LEARN_FROM: u64 = 200;

impl Scale {
    /// A scale as stored; 0 means that nothing is known.
    pub fn stored(thousandths: u32) -> Self {
        Self(if thousandths == 0 { 1000 } else { thousandths.clamp(SCALE_MIN, SCALE_MAX) })
    }

    /// To be stored.
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// An estimate in the provider's tokens.
    pub fn apply(self, estimate: u64) -> u64 {
        estimate.saturating_mul(u64::from(self.0)).div_ceil(1000)
    }

    /// After a call of that estimate for which the provider has reported `input` tokens: a quarter
    /// of the way towards it, as providers count cached and added text differently.
    #[must_use]
    pub fn learn(self, estimate: u64, input: u64) -> Self {
        if estimate < LEARN_FROM || input == 0 {
            return self;
        }
        let seen = u32::try_from(input.saturating_mul(1000) / estimate).unwrap_or(u32::MAX);
        let seen = seen.clamp(SCALE_MIN, SCALE_MAX);
        Self((self.0 * 3 + seen) / 4)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_whole_is_at_least_its_parts_and_at_most_their_sum(a in ".{0,60}", b in ".{0,60}") {
            let whole = of_text(&format!("{a}{b}"));
            let (a_tokens, b_tokens) = (of_text(&a), of_text(&b));
            prop_assert!(whole >= a_tokens.max(b_tokens), "{whole} {a_tokens} {b_tokens}");
            // A blank run cut in two loses at most one token.
            prop_assert!(whole <= a_tokens + b_tokens + 1);
            prop_assert!(whole <= u64::try_from(a.len() + b.len()).unwrap());
            prop_assert_eq!(whole > 0, !a.replace(' ', "").is_empty() || !b.replace(' ', "").is_empty()
                || a.len() + b.len() >= 8);
        }

        #[test]
        fn a_scale_moves_towards_what_is_reported_and_stays_sane(
            reports in prop::collection::vec((0u64..2_000_000, 0u64..2_000_000), 0..30),
            estimate in 200u64..1_000_000, share in 600u64..2_800,
        ) {
            let mut scale = Scale::stored(0);
            for (of, input) in reports {
                scale = scale.learn(of, input);
                prop_assert!((SCALE_MIN..=SCALE_MAX).contains(&scale.thousandths()));
                prop_assert_eq!(Scale::stored(scale.thousandths()), scale);
            }
            for _ in 0..40 {
                scale = scale.learn(estimate, estimate * share / 1000);
            }
            let off = scale.apply(100_000).abs_diff(100 * share);
            prop_assert!(off <= 1_000, "{} is not about {}", scale.apply(100_000), 100 * share);
        }
    }

    // Counted by hand as common tokenizers cut: a frequent word is one token, three digits are one.
    #[test]
    fn known_texts_are_about_as_long_as_tokenizers_say() {
        for (text, tokens) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("Hello, how are you today? I would like to order a pizza for tonight.", 17),
            ("fn main() { println!(\"Hello, world!\"); }", 12),
            ("3.14159265358979", 7),
        ] {
            let estimate = of_text(text);
            assert!(estimate * 3 >= tokens * 2 && estimate * 2 <= tokens * 4, "{text}: {estimate}");
        }
    }
}
