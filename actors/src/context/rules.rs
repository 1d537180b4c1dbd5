//! The limits of an agent's context, and what an engine knows about contexts at large.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::conversation::Past;
use super::media::Inputs;
use super::prompts::Prompts;
use crate::message::AccountKey;
use crate::model::ModelRef;
use crate::usage::{Budgets, DayMeter, Price};

/// What a model of unknown size is taken to read, in tokens. One that reads less says so.
pub const WINDOW_DEFAULT: u64 = 200_000;

/// Characters of a token of English, for limits written in characters.
const CHARS_PER_TOKEN: u64 = 4;
/// Longest tool result a model of any size is shown, in characters.
const RESULT_CHARS_MAX: u64 = 64_000;

/// The limits of an agent's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRules {
    /// What its model reads at once, in tokens, if that is known. A guess stands in for it, but is
    /// no reason to give a message up.
    pub window: Option<u64>,
    /// Tokens of the window kept free for the answer; never more than two fifths of it.
    pub reserve: u64,
    /// Tokens of the newest exchanges that a summary leaves as they are; never more than a third of
    /// the window.
    pub keep_tokens: u64,
    /// The newest exchanges that a summary leaves as they are, if they are short enough.
    pub keep_turns: usize,
    /// What a summary must pay attention to; may be empty.
    pub instructions: String,
    /// Whether a summary must keep names such as ids, addresses and paths to the letter.
    pub keeps_identifiers: bool,
    /// The provider and model that write summaries; none for the agent's own.
    pub summary_model: Option<(String, String)>,
}

impl Default for ContextRules {
    fn default() -> Self {
        Self {
            window: None,
            reserve: 32_000,
            keep_tokens: 20_000,
            keep_turns: 3,
            instructions: String::new(),
            keeps_identifiers: true,
            summary_model: None,
        }
    }
}

impl ContextRules {
    /// What its model reads at once, in tokens, known or guessed.
    pub fn window(&self) -> u64 {
        self.window.unwrap_or(WINDOW_DEFAULT)
    }

    /// Tokens kept free for the answer.
    pub fn reserve(&self) -> u64 {
        self.reserve.min(self.window() / 5 * 2)
    }

    /// Tokens a request may have. On the last try nothing but a short answer is kept free, and a
    /// model of unknown size is simply asked.
    pub fn room(&self, is_last_try: bool) -> u64 {
        if !is_last_try {
            return self.window().saturating_sub(self.reserve());
        }
        self.window.map_or(u64::MAX, |window| window.saturating_sub(self.reserve() / 16))
    }

    /// Characters of the longest tool result that is shown: at most three tenths of the window.
    pub fn result_chars(&self) -> usize {
        let share = self.window().saturating_mul(CHARS_PER_TOKEN) / 10 * 3;
        usize::try_from(share.min(RESULT_CHARS_MAX)).unwrap_or(usize::MAX)
    }

    /// How many of the newest exchanges stay as they are.
    pub fn recent(&self, past: &VecDeque<Past>) -> usize {
        let max = self.keep_tokens.min(self.window() / 3);
        let mut tokens: u64 = 0;
        let fits = |exchange: &&Past| {
            tokens = tokens.saturating_add(exchange.tokens());
            tokens <= max
        };
        past.iter().rev().take(self.keep_turns).take_while(fits).count()
    }
}

/// Answers what stands in an agent's workspace, as the part of its system prompt that it is; empty
/// if nothing does. Takes the agent's id. It must come to an end, and never fails.
pub type PromptSource = Arc<dyn Fn(&str) -> BoxFuture<'static, String> + Send + Sync>;

/// A file that a model may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWish {
    /// Where it is; nothing if it has not arrived yet.
    pub path: Option<String>,
    /// The most that is wanted of it: a larger file is not read.
    pub bytes_max: u64,
}

/// Reads files: one answer for each, or why there is none as a part of a sentence. It must come to an
/// end.
pub type FileSource =
    Arc<dyn Fn(Vec<FileWish>) -> BoxFuture<'static, Vec<Result<Arc<[u8]>, String>>> + Send + Sync>;

/// What an engine knows about contexts, models and money.
#[derive(Clone, Default)]
pub struct Context {
    /// The limits by agent; others have the default.
    pub agents: HashMap<String, ContextRules>,
    /// Where workspaces are read, once for every turn.
    pub prompt: Option<PromptSource>,
    /// What the turns in flight began with.
    pub prompts: Prompts,
    /// What models read at once, in tokens, by model as `provider/model`: for those that step in.
    pub windows: HashMap<String, u64>,
    /// What tokens cost, by model as `provider/model`.
    pub prices: HashMap<String, Price>,
    /// What models see besides text, by model as `provider/model`, or by `provider/*`. Others see
    /// text only.
    pub inputs: HashMap<String, Inputs>,
    /// Where the files of messages are read.
    pub files: Option<FileSource>,
    /// Accounts whose files no model is shown.
    pub hidden_files: BTreeSet<AccountKey>,
    /// What may be spent.
    pub budgets: Budgets,
    /// What has been spent today.
    pub day: DayMeter,
}

impl Context {
    /// What a model sees besides text.
    pub fn inputs_of(&self, model: &ModelRef) -> Inputs {
        let own = self.inputs.get(&model.to_string());
        let shared = || self.inputs.get(&format!("{}/*", model.provider));
        own.or_else(shared).cloned().unwrap_or_default()
    }
}
