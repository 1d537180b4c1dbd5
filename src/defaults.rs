//! What runs when nobody has chosen.

use telson_actors::session::AgentProfile;

/// Longest answer asked for, in tokens. Chat replies are short; a runaway answer costs money.
pub(crate) const OUTPUT_TOKENS_MAX: u32 = 8192;

/// The agent that repeats what is said: everything runs without a key.
pub(crate) fn echo_agent() -> AgentProfile {
    AgentProfile {
        provider: "echo".into(),
        model: "echo".into(),
        system: String::new(),
        output_tokens_max: OUTPUT_TOKENS_MAX,
    }
}
