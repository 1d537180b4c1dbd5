//! Where a heartbeat's answer goes.

use crate::message::{AccountKey, Destination};

/// Whom a heartbeat tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// The owner, directly: the first person the account lets in by name.
    #[default]
    Owner,
    /// Whoever was answered last in the session.
    Last,
    /// Nobody: the agent works for itself.
    Nobody,
    /// Somebody on this channel.
    Channel(String),
}

impl Target {
    /// As the config has it.
    pub fn name(&self) -> &str {
        match self {
            Self::Owner => "owner",
            Self::Last => "last",
            Self::Nobody => "none",
            Self::Channel(channel) => channel,
        }
    }
}

/// Where exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination.
    pub to: Destination,
    /// Whether it is one person.
    pub is_direct: bool,
}

/// Finds the destination; none if there is none.
///
/// `to` and `account` narrow the target, `owners` are those that accounts let in by name, in the
/// order of the config, and `last` is where the session's last answer to a person went.
pub fn resolve(
    target: &Target,
    (account, to): (Option<&str>, Option<&str>),
    owners: &[Destination],
    last: Option<&Route>,
) -> Option<Route> {
    let is_meant = |to: &&Destination| {
        let channel = match target {
            Target::Channel(channel) => to.account.channel == *channel,
            _ => true,
        };
        channel && account.is_none_or(|account| to.account.account == account)
    };
    let owner = || owners.iter().find(is_meant).map(Route::direct);
    match (target, to) {
        (Target::Nobody, _) => None,
        (Target::Last, None) => last.cloned(),
        (Target::Owner | Target::Channel(_), None) => owner(),
        (Target::Channel(channel), Some(to)) => {
            let known = owners.iter().find(is_meant).map(|owner| owner.account.account.as_str());
            let account = account.or(known).unwrap_or("default");
            Some(Route::named(AccountKey::new(channel, account), to))
        }
        (Target::Owner, Some(to)) => {
            Some(Route::named(owners.iter().find(is_meant)?.account.clone(), to))
        }
        (Target::Last, Some(to)) => Some(Route::named(last?.to.account.clone(), to)),
    }
}

impl Route {
    fn direct(to: &Destination) -> Self {
        Self { to: to.clone(), is_direct: true }
    }

    fn named(account: AccountKey, to: &str) -> Self {
        let to = Destination { account, target: to.to_owned(), thread: None };
        Self { is_direct: is_direct_target(&to.target), to }
    }
}

/// Whether a target names one person, as far as its text tells: chats are named by prefixes, and the
/// guid of one with several people says so.
pub fn is_direct_target(target: &str) -> bool {
    let target = target.trim();
    !target.starts_with("chat_id:") && !target.contains(";+;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(channel: &str, account: &str, target: &str) -> Destination {
        Destination {
            account: AccountKey::new(channel, account),
            target: target.into(),
            thread: None,
        }
    }

    fn found(target: &Target, account: Option<&str>, named: Option<&str>) -> Option<String> {
        let owners = [to("a", "home", "anna"), to("b", "work", "ben"), to("a", "work", "cy")];
        let last = Route { to: to("b", "work", "group"), is_direct: false };
        resolve(target, (account, named), &owners, Some(&last)).map(|route| route.to.to_string())
    }

    #[test]
    fn each_target_leads_where_it_says() {
        let on = |channel: &str| Target::Channel(channel.into());
        for (target, account, named, expected) in [
            (Target::Owner, None, None, Some("a/home:anna")),
            (Target::Owner, Some("work"), None, Some("b/work:ben")),
            (Target::Owner, None, Some("dora"), Some("a/home:dora")),
            (Target::Last, None, None, Some("b/work:group")),
            (Target::Last, None, Some("dora"), Some("b/work:dora")),
            (Target::Nobody, None, Some("dora"), None),
            (on("a"), Some("work"), None, Some("a/work:cy")),
            (on("a"), None, Some("dora"), Some("a/home:dora")),
            (on("c"), None, Some("dora"), Some("c/default:dora")),
            (on("c"), Some("x"), Some("dora"), Some("c/x:dora")),
            (on("c"), None, None, None),
        ] {
            assert_eq!(found(&target, account, named).as_deref(), expected, "{target:?}");
        }
        assert_eq!(resolve(&Target::Last, (None, None), &[], None), None);
        assert_eq!(resolve(&Target::Owner, (None, Some("x")), &[], None), None);
    }

    #[test]
    fn a_room_is_told_from_a_person() {
        for room in ["chat_id:7", "chat_guid:iMessage;+;chat123"] {
            assert!(!is_direct_target(room), "{room}");
        }
        for person in ["+15551230001", "anna@example.org", "chat_guid:iMessage;-;+15551230001"] {
            assert!(is_direct_target(person), "{person}");
        }
    }
}
