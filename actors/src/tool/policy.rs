//! Which tools an agent may use: profile, lists and groups, as the config names them.
//!
//! A profile is where it begins, lists only narrow it, and a denial wins over everything. Without a
//! profile and without an `allow` list an agent has nothing that acts on this machine or on other
//! people: only the tools of servers that the operator plugged in.

/// A named set of tools to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Only asking about the own session.
    Minimal,
    /// Files, commands, the web, sessions.
    Coding,
    /// Messages and sessions.
    Messaging,
    /// Everything.
    Full,
}

/// What a person wrote in one place of the config: for all agents, or for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The set to begin with.
    pub profile: Option<Profile>,
    /// If not empty, nothing else may be used.
    pub allow: Vec<String>,
    /// Added to the profile.
    pub also_allow: Vec<String>,
    /// Never to be used.
    pub deny: Vec<String>,
}

/// Tools by group. Names that do not exist (yet) are listed too: a config may name them.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("group:fs", &["read", "write", "edit", "apply_patch"]),
    ("group:runtime", &["exec", "process", "code_execution"]),
    ("group:web", &["web_fetch", "web_search", "x_search"]),
    (
        "group:sessions",
        &[
            "sessions_list",
            "sessions_history",
            "sessions_search",
            "sessions_send",
            "sessions_spawn",
            "sessions_yield",
            "session_status",
            "subagents",
        ],
    ),
    ("group:memory", &["memory_search", "memory_get"]),
    ("group:messaging", &["message"]),
    ("group:automation", &["cron", "gateway", "heartbeat_respond"]),
    ("group:ui", &["browser", "canvas"]),
    ("group:nodes", &["nodes"]),
    ("group:agents", &["agents_list", "update_plan"]),
    ("group:media", &["image", "image_generate", "music_generate", "video_generate", "pdf", "tts"]),
];

/// The group of all tools that come with the program.
pub const OWN: &str = "group:openclaw";
/// The groups of all tools that come from servers the operator plugged in.
pub const PLUGGED_IN: [&str; 2] = ["group:plugins", "bundle-mcp"];

/// What may be used, decided for one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Everything to begin with.
    base: Vec<String>,
    /// Lists each of which must know a tool.
    within: Vec<Vec<String>>,
    deny: Vec<String>,
}

impl Policy {
    /// The policy of an agent from what is said for all agents and for this one. The agent's own
    /// profile (and `alsoAllow`) take the place of the shared ones.
    pub fn new(shared: &Scope, own: &Scope) -> Self {
        let within: Vec<Vec<String>> = [shared, own]
            .into_iter()
            .filter(|scope| !scope.allow.is_empty())
            .map(|scope| scope.allow.clone())
            .collect();
        let profile = own.profile.or(shared.profile);
        let mut base = match profile {
            Some(profile) => of_profile(profile),
            // The lists alone decide.
            None if !within.is_empty() => vec!["*".to_owned()],
            None => vec![PLUGGED_IN[0].to_owned()],
        };
        let also = if own.also_allow.is_empty() { &shared.also_allow } else { &own.also_allow };
        base.extend(also.iter().cloned());
        Self { base, within, deny: [shared.deny.clone(), own.deny.clone()].concat() }
    }

    /// Denies one more tool.
    #[must_use]
    pub fn without(mut self, tool: &str) -> Self {
        self.deny.push(tool.to_owned());
        self
    }

    /// Whether a tool is denied by name, whoever grants it.
    pub fn denies(&self, tool: &str) -> bool {
        covers(&self.deny, tool)
    }

    /// Whether a tool may be used.
    pub fn allows(&self, tool: &str) -> bool {
        covers(&self.base, tool)
            && self.within.iter().all(|list| covers(list, tool))
            && !self.denies(tool)
    }
}

fn of_profile(profile: Profile) -> Vec<String> {
    let names: &[&str] = match profile {
        Profile::Minimal => &["session_status"],
        Profile::Coding => &[
            "group:fs",
            "group:runtime",
            "group:web",
            "group:sessions",
            "group:memory",
            "cron",
            "image",
            "update_plan",
            PLUGGED_IN[0],
        ],
        Profile::Messaging => &[
            "group:messaging",
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "session_status",
            PLUGGED_IN[0],
        ],
        Profile::Full => &["*"],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

fn covers(list: &[String], tool: &str) -> bool {
    let tool = canonical(tool);
    list.iter().any(|entry| entry_covers(&canonical(entry), &tool))
}

fn entry_covers(entry: &str, tool: &str) -> bool {
    let own = || GROUPS.iter().any(|(_, members)| members.contains(&tool));
    if let Some((_, members)) = GROUPS.iter().find(|(name, _)| *name == entry) {
        return members.contains(&tool);
    }
    if entry == OWN {
        return own();
    }
    if PLUGGED_IN.contains(&entry) {
        return !own() && tool.contains("__");
    }
    fits(entry, tool)
}

/// The one spelling of a name: small letters, and of two names for a tool the one it answers to.
fn canonical(name: &str) -> String {
    match name.trim().to_ascii_lowercase().as_str() {
        "bash" => "exec".to_owned(),
        "apply-patch" => "apply_patch".to_owned(),
        name => name.to_owned(),
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else {
        return rest.is_empty();
    };
    let between: Vec<&str> = parts.collect();
    for part in &between[..between.len().saturating_sub(1)] {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// What can be said of a name in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It names a tool, a group, or a pattern.
    Yes,
    /// It looks like the tool of a plugged-in server, which only the server can confirm.
    Perhaps,
    /// There is no such group.
    NoGroup,
    /// There is no such tool.
    NoTool,
}

/// Whether anything can answer to a name in a list.
pub fn known(entry: &str) -> Known {
    let entry = canonical(entry);
    if names().any(|name| name == entry) || entry.contains('*') {
        Known::Yes
    } else if entry.starts_with("group:") {
        Known::NoGroup
    } else if entry.contains("__") {
        Known::Perhaps
    } else {
        Known::NoTool
    }
}

/// Every name a list may hold besides patterns and plugged-in tools.
pub fn names() -> impl Iterator<Item = &'static str> {
    let members = GROUPS.iter().flat_map(|(_, members)| members.iter().copied());
    let groups = GROUPS.iter().map(|(name, _)| *name);
    members.chain(groups).chain([OWN]).chain(PLUGGED_IN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(profile: Option<Profile>, allow: &[&str], also: &[&str], deny: &[&str]) -> Scope {
        let owned = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
        Scope { profile, allow: owned(allow), also_allow: owned(also), deny: owned(deny) }
    }

    fn usable(shared: &Scope, own: &Scope) -> Vec<&'static str> {
        let policy = Policy::new(shared, own);
        ["read", "write", "exec", "web_fetch", "message", "sessions_list", "disk__read"]
            .into_iter()
            .filter(|tool| policy.allows(tool))
            .collect()
    }

    #[test]
    fn nothing_said_means_nothing_but_what_was_plugged_in() {
        assert_eq!(usable(&Scope::default(), &Scope::default()), ["disk__read"]);
    }

    #[test]
    fn profiles_begin_and_lists_narrow() {
        let none = Scope::default();
        let messaging = scope(Some(Profile::Messaging), &[], &[], &[]);
        assert_eq!(usable(&messaging, &none), ["message", "sessions_list", "disk__read"]);
        let coding = scope(Some(Profile::Coding), &[], &[], &["group:runtime", "bundle-mcp"]);
        assert_eq!(usable(&coding, &none), ["read", "write", "web_fetch", "sessions_list"]);
        // An agent's own profile takes the place of the shared one; a shared denial stays.
        let full = scope(Some(Profile::Full), &[], &[], &["disk__*"]);
        let usable_by_full = usable(&coding, &full);
        assert_eq!(usable_by_full, ["read", "write", "web_fetch", "message", "sessions_list"]);
        let also = scope(Some(Profile::Minimal), &[], &["Read", "BASH"], &[]);
        assert_eq!(usable(&also, &none), ["read", "exec"]);
        let narrow = scope(None, &["group:fs"], &[], &[]);
        assert_eq!(usable(&narrow, &none), ["read", "write"]);
        assert_eq!(usable(&narrow, &scope(None, &["read", "exec"], &[], &[])), ["read"]);
        assert!(usable(&messaging, &narrow).is_empty(), "a list never widens a profile");
    }

    #[test]
    fn patterns_fit_as_people_expect() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("read", "reader", false),
            ("", "", true),
            ("", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn names_are_known_or_not() {
        assert_eq!(known("Bash"), Known::Yes);
        assert_eq!(known("group:fs"), Known::Yes);
        assert_eq!(known("web_*"), Known::Yes);
        assert_eq!(known("disk__read"), Known::Perhaps);
        assert_eq!(known("group:files"), Known::NoGroup);
        assert_eq!(known("raed"), Known::NoTool);
    }

    fn any_list() -> impl Strategy<Value = Vec<String>> {
        let names: Vec<String> = names().chain(["*", "disk__read"]).map(str::to_owned).collect();
        prop::collection::vec(prop::sample::select(names), 0..4)
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let profiles = [Profile::Minimal, Profile::Coding, Profile::Messaging, Profile::Full];
        (
            prop::option::of(prop::sample::select(profiles.to_vec())),
            any_list(),
            any_list(),
            any_list(),
        )
            .prop_map(|(profile, allow, also_allow, deny)| Scope {
                profile,
                allow,
                also_allow,
                deny,
            })
    }

    proptest! {
        #[test]
        fn a_denial_wins_whatever_else_is_said(shared in any_scope(), own in any_scope(), tool in prop::sample::select(names().collect::<Vec<_>>())) {
            let mut denying = shared.clone();
            denying.deny.push(tool.to_owned());
            prop_assert!(!Policy::new(&denying, &own).allows(tool) || tool.contains(':') || tool == "bundle-mcp");
            prop_assert!(Policy::new(&own, &denying).denies(tool) || tool.contains(':') || tool == "bundle-mcp");
        }

        #[test]
        fn one_more_list_never_widens(shared in any_scope(), own in any_scope(), more in any_list(), tool in prop::sample::select(names().collect::<Vec<_>>())) {
            // With a profile in place, an `allow` list and a denial only take away.
            let shared = Scope { profile: shared.profile.or(Some(Profile::Coding)), ..shared };
            let own = Scope { allow: Vec::new(), ..own };
            let narrowed = Scope { allow: more.clone(), ..own.clone() };
            let before = Policy::new(&shared, &own).allows(tool);
            prop_assert!(before || !Policy::new(&shared, &narrowed).allows(tool));
            let denied = Scope { deny: [own.deny.clone(), more].concat(), ..own.clone() };
            prop_assert!(before || !Policy::new(&shared, &denied).allows(tool));
        }

        #[test]
        fn no_pattern_panics(pattern in "[a*é]{0,8}", text in "[aé]{0,8}") {
            let _ = fits(&pattern, &text);
            prop_assert!(fits("*", &text));
            prop_assert!(fits(&text, &text));
        }
    }
}
