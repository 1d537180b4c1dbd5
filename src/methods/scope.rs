//! What a caller may be allowed to do.

use serde::Serialize;

/// A right of an operator, as the gateway protocol names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// Change what happens to messages. Includes looking.
    Write,
    /// Change the service itself. Includes everything.
    Admin,
    /// Decide what agents ask to be allowed.
    Approvals,
    /// Let devices and people in.
    Pairing,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Read, Self::Write, Self::Admin, Self::Approvals, Self::Pairing];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Admin => "operator.admin",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
        }
    }

    /// The scope of a wire name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether having this right is enough where `needed` is asked for.
    pub fn includes(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || (self == Self::Write && needed == Self::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_right_includes_what_it_says_and_nothing_else() {
        for (held, needed) in Scope::ALL.into_iter().flat_map(|a| Scope::ALL.map(|b| (a, b))) {
            let expected = held == needed
                || held == Scope::Admin
                || (held, needed) == (Scope::Write, Scope::Read);
            assert_eq!(held.includes(needed), expected, "{held:?} for {needed:?}");
        }
        assert!(Scope::ALL.into_iter().all(|scope| Scope::named(scope.name()) == Some(scope)));
    }
}
