//! What a client is.

use serde::Serialize;

/// What a client is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person, or a program of theirs: it asks us.
    #[default]
    Operator,
    /// A device that we ask to do things.
    Node,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Operator, Self::Node];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }

    /// The role of a wire name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
