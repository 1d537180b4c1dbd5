//! What is shown of heartbeats, and where.

use std::collections::BTreeMap;

use crate::message::AccountKey;

/// What is shown at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    /// Whether it is told that nothing needs attention.
    pub ok: bool,
    /// Whether it is told what needs attention.
    pub alerts: bool,
    /// Whether status events carry an indicator.
    pub indicator: bool,
}

impl Default for Visibility {
    fn default() -> Self {
        Self { ok: false, alerts: true, indicator: true }
    }
}

impl Visibility {
    /// Whether nobody would see anything: then no model is asked.
    pub fn shows_nothing(self) -> bool {
        !self.ok && !self.alerts && !self.indicator
    }
}

/// What one place says about it; what it does not say is said elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VisibilityRules {
    /// See [`Visibility::ok`].
    pub ok: Option<bool>,
    /// See [`Visibility::alerts`].
    pub alerts: Option<bool>,
    /// See [`Visibility::indicator`].
    pub indicator: Option<bool>,
}

/// What all places say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VisibilityBook {
    /// Where nobody else says anything.
    pub defaults: VisibilityRules,
    /// By channel.
    pub channels: BTreeMap<String, VisibilityRules>,
    /// By account.
    pub accounts: BTreeMap<AccountKey, VisibilityRules>,
}

impl VisibilityBook {
    /// What is shown on an account, each setting by itself: the account says it, else its channel,
    /// else all channels, else it is as always. Without an account only the last two speak.
    pub fn of(&self, account: Option<&AccountKey>) -> Visibility {
        let own = account.and_then(|account| self.accounts.get(account)).copied();
        let channel = account.and_then(|account| self.channels.get(&account.channel)).copied();
        let said = [own, channel, Some(self.defaults)];
        let first = |get: fn(&VisibilityRules) -> Option<bool>| said.iter().flatten().find_map(get);
        let always = Visibility::default();
        Visibility {
            ok: first(|rules| rules.ok).unwrap_or(always.ok),
            alerts: first(|rules| rules.alerts).unwrap_or(always.alerts),
            indicator: first(|rules| rules.indicator).unwrap_or(always.indicator),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Three = (Option<bool>, Option<bool>, Option<bool>);

    fn rules((ok, alerts, indicator): Three) -> VisibilityRules {
        VisibilityRules { ok, alerts, indicator }
    }

    proptest! {
        #[test]
        fn the_nearest_place_that_says_something_is_heard(
            account: Three, channel: Three, defaults: Three,
        ) {
            let key = AccountKey::new("c", "a");
            let book = VisibilityBook {
                defaults: rules(defaults),
                channels: [("c".to_owned(), rules(channel))].into(),
                accounts: [(key.clone(), rules(account))].into(),
            };
            let said = |a: Option<bool>, c: Option<bool>, d: Option<bool>, always| {
                a.or(c).or(d).unwrap_or(always)
            };
            let found = book.of(Some(&key));
            prop_assert_eq!(found.ok, said(account.0, channel.0, defaults.0, false));
            prop_assert_eq!(found.alerts, said(account.1, channel.1, defaults.1, true));
            prop_assert_eq!(found.indicator, said(account.2, channel.2, defaults.2, true));
            // Another account hears its channel, another channel hears the defaults.
            let other = book.of(Some(&AccountKey::new("c", "b")));
            prop_assert_eq!(other.ok, said(None, channel.0, defaults.0, false));
            let far = book.of(Some(&AccountKey::new("d", "a")));
            prop_assert_eq!(far, book.of(None));
            prop_assert_eq!(far.alerts, defaults.1.unwrap_or(true));
        }
    }
}
