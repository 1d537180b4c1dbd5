//! `agents.*.compaction`, and what else limits how much of a conversation a model is shown.

use schemars::JsonSchema;
use serde::Deserialize;

/// How a conversation that has grown too long for the model becomes shorter. The transcript keeps
/// everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Compaction {
    /// The model that writes summaries, as `provider/model`. Default: the agent's own.
    pub model: Option<String>,
    /// Tokens of the model's window kept free for the answer; at most two fifths of it count.
    /// Default: `reserveTokensFloor`.
    pub reserve_tokens: Option<u64>,
    /// The least that `reserveTokens` counts as. Default: 32000.
    pub reserve_tokens_floor: Option<u64>,
    /// Tokens of the newest exchanges that stay as they are; at most a third of the window counts.
    /// Default: 20000.
    pub keep_recent_tokens: Option<u64>,
    /// The newest exchanges that stay as they are, if they are short enough. Default: 3.
    pub recent_turns_preserve: Option<u32>,
    /// Whether summaries must keep names such as ids, addresses and paths. Default: strict.
    pub identifier_policy: Option<IdentifierPolicy>,
    /// With the policy `custom`: what is said about names instead. Default: nothing.
    pub identifier_instructions: Option<String>,
    /// What summaries must pay attention to. Default: nothing in particular.
    pub custom_instructions: Option<String>,
}

/// What becomes of names in summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentifierPolicy {
    /// Each is kept to the letter.
    Strict,
    /// As `identifierInstructions` says.
    Custom,
    /// Nothing is asked for.
    Off,
}

impl Compaction {
    /// These settings, and those of `shared` where nothing is said.
    #[must_use]
    pub fn or(self, shared: &Self) -> Self {
        let shared = shared.clone();
        Self {
            model: self.model.or(shared.model),
            reserve_tokens: self.reserve_tokens.or(shared.reserve_tokens),
            reserve_tokens_floor: self.reserve_tokens_floor.or(shared.reserve_tokens_floor),
            keep_recent_tokens: self.keep_recent_tokens.or(shared.keep_recent_tokens),
            recent_turns_preserve: self.recent_turns_preserve.or(shared.recent_turns_preserve),
            identifier_policy: self.identifier_policy.or(shared.identifier_policy),
            identifier_instructions: self
                .identifier_instructions
                .or(shared.identifier_instructions),
            custom_instructions: self.custom_instructions.or(shared.custom_instructions),
        }
    }
}
