//! What a model is shown: the system prompt from the files of a workspace, and as much of the
//! conversation as it can read at once.
//!
//! Everything here is pure; the session asks, and `src/` reads the files. What does not fit becomes
//! shorter in steps, see [`Stage`]: old tool results lose their middle, then a model writes a
//! summary that stands for the older exchanges, then the older exchanges stay out. The transcript
//! itself is never changed.

mod compaction;
mod conversation;
mod estimate;
mod identifiers;
mod media;
mod prompt;
mod prompts;
mod record;
mod room;
mod rules;

pub use compaction::{Job, Question, Verdict, judge, question, split};
pub use conversation::{Past, Stage, View, conversation};
pub use estimate::{Scale, of_message, of_request, of_text};
pub use media::{
    DOCUMENT_BYTES_MAX, FILES_MAX, Found, IMAGE_BYTES_MAX, Inputs, TURN_BYTES_MAX, add_to,
    bytes_max, bytes_max_of, media_type_of, parts,
};
pub use prompt::{PromptFile, PromptLimits, system_prompt};
pub use prompts::Prompts;
pub use record::{SUMMARY_COVERS_MAX, Summary, summary_key};
pub use room::{COMPACTIONS_MAX, Next, Room};
pub use rules::{Context, ContextRules, FileSource, FileWish, PromptSource, WINDOW_DEFAULT};
