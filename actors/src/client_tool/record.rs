//! What is stored of a client's tools.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::message::AccountKey;
use crate::store::{Key, Record, Space};

/// A tool as its client describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTool {
    /// Its name: letters, digits, `_` and `-`, 64 at most.
    pub name: String,
    /// What it does; may be empty.
    pub description: String,
    /// The JSON schema of its arguments, an object, as text.
    pub parameters: String,
}

/// The tools that came with one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTools {
    /// When they came.
    pub at: Timestamp,
    /// The tools.
    pub tools: Vec<ClientTool>,
    /// Whether they are offered instead of the agent's own.
    pub is_alone: bool,
    /// Whether the model has to call one.
    pub must_call: bool,
}

impl Record for ClientTools {
    const VERSION: u8 = 1;
}

/// Where the tools of a message live, by the account it came in on and its dedupe key.
pub fn client_tools_key(account: &AccountKey, id: &str) -> Key {
    client_tools_prefix().text(&account.channel).text(&account.account).text(id)
}

/// The tools of all messages that wait.
pub fn client_tools_prefix() -> Key {
    Key::of(Space::ClientTools)
}
