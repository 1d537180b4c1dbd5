use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::rules::{Access, AccountMatch, DmPolicy, GroupPolicy, PeerId, SessionSettings};
use super::super::testing::{agents, binding, inbound, peer_binding, strings};
use super::*;
use crate::message::AccountKey;

fn open_access() -> Access {
    Access {
        dm_policy: DmPolicy::Open,
        allow_from: strings(&["*"]),
        group_policy: GroupPolicy::Open,
        ..Access::default()
    }
}

fn open_rules() -> Rules {
    let account = |name| (AccountKey::new("imessage", name), open_access());
    Rules {
        agents: agents(&["a"]),
        access: BTreeMap::from([account("default"), account("work")]),
        ..Rules::default()
    }
}

fn key_of(inbound: &Inbound, rules: &Rules) -> String {
    match route(inbound, rules, &|_| false) {
        Route::Session { key, .. } => key.to_string(),
        other => panic!("not routed: {other:?}"),
    }
}

#[test]
fn direct_messages_go_to_the_session_their_scope_names() {
    let message = inbound(ChatKind::Direct, "+1555", "+1555");
    let mut rules = open_rules();
    for (scope, key) in [
        (DmScope::Main, "agent:a:main"),
        (DmScope::PerPeer, "agent:a:direct:+1555"),
        (DmScope::PerChannelPeer, "agent:a:imessage:direct:+1555"),
        (DmScope::PerAccountChannelPeer, "agent:a:imessage:default:direct:+1555"),
    ] {
        rules.session.dm_scope = scope;
        assert_eq!(key_of(&message, &rules), key);
    }
    rules.session.scope = SessionScope::Global;
    assert_eq!(key_of(&message, &rules), "global");
}

#[test]
fn rooms_have_their_own_sessions_and_other_accounts_are_kept_apart() {
    let mut rules = open_rules();
    let mut message = inbound(ChatKind::Group, "g1", "p");
    assert_eq!(key_of(&message, &rules), "agent:a:imessage:group:g1");
    message.thread = Some("7".to_owned());
    assert_eq!(key_of(&message, &rules), "agent:a:imessage:group:g1:thread:7");
    message.thread = None;
    message.chat = ChatKind::Channel;
    assert_eq!(key_of(&message, &rules), "agent:a:imessage:channel:g1");
    message.account.account = "work".to_owned();
    assert_eq!(key_of(&message, &rules), "agent:a:imessage:work:channel:g1");
    rules.session.group_scope = GroupScope::Main;
    assert_eq!(key_of(&message, &rules), "agent:a:main");
}

#[test]
fn a_binding_overrides_the_scopes() {
    let mut rules = open_rules();
    let mut bound = binding("a", AccountMatch::Default);
    bound.dm_scope = Some(DmScope::PerPeer);
    bound.group_scope = Some(GroupScope::Main);
    rules.bindings = vec![bound];
    assert_eq!(key_of(&inbound(ChatKind::Direct, "p", "p"), &rules), "agent:a:direct:p");
    assert_eq!(key_of(&inbound(ChatKind::Group, "g", "p"), &rules), "agent:a:main");
}

#[test]
fn a_linked_person_has_one_name_which_a_stranger_cannot_take() {
    let mut rules = open_rules();
    let links = [("ann".to_owned(), strings(&["imessage:Ann@X.org", "imessage:+1555"]))];
    rules.session = SessionSettings {
        dm_scope: DmScope::PerPeer,
        identity_links: BTreeMap::from(links),
        ..SessionSettings::default()
    };
    let key = |peer: &str| key_of(&inbound(ChatKind::Direct, peer, peer), &rules);
    assert_eq!(key("ann@x.org"), "agent:a:direct:ann");
    assert_eq!(key("+1555"), "agent:a:direct:ann");
    assert_eq!(key("+1666"), "agent:a:direct:+1666");
    assert_eq!(key("ann"), "agent:a:direct:imessage%3Aann");
}

#[test]
fn refusals_come_before_agents_and_bindings_let_nobody_in() {
    let mut rules = open_rules();
    rules.agents = agents(&["a", "b"]);
    let message = inbound(ChatKind::Direct, "p", "p");
    let refused = route(&message, &rules, &|_| false);
    assert!(matches!(refused, Route::Refused(Refusal::NoAgent(_))));
    rules.bindings = vec![peer_binding("b", ChatKind::Direct, PeerId::Exact("p".to_owned()))];
    let answered = route(&message, &rules, &|_| false);
    assert!(matches!(answered, Route::Session { agent, .. } if agent.as_str() == "b"));
    for access in rules.access.values_mut() {
        access.dm_policy = DmPolicy::Disabled;
    }
    assert_eq!(route(&message, &rules, &|_| true), Route::Refused(Refusal::DmDisabled));
    rules.access.clear();
    assert_eq!(route(&message, &rules, &|_| true), Route::Refused(Refusal::UnknownAccount));
}

#[test]
fn an_unknown_sender_is_offered_a_pairing() {
    let mut rules = open_rules();
    let message = inbound(ChatKind::Direct, "p", "p");
    rules.access.insert(message.account.clone(), Access::default());
    assert_eq!(route(&message, &rules, &|_| false), Route::Pairing);
    assert!(matches!(route(&message, &rules, &|id| id == "p"), Route::Session { .. }));
}

fn any_inbound() -> impl Strategy<Value = Inbound> {
    let word = || prop::sample::select(vec!["p", "q", "p:q", "%", "default"]);
    let chat = prop::sample::select(vec![ChatKind::Direct, ChatKind::Group, ChatKind::Channel]);
    let account = prop::sample::select(vec!["default", "work"]);
    (chat, account, word(), prop::option::of(word())).prop_map(|(chat, account, peer, thread)| {
        let mut message = inbound(chat, peer, peer);
        message.account.account = account.to_owned();
        message.thread = thread.map(str::to_owned);
        message
    })
}

fn conversation(message: &Inbound) -> (AccountKey, ChatKind, String, Option<String>) {
    (message.account.clone(), message.chat, message.peer.clone(), message.thread.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// S3 and X3: with the narrowest scopes, one session is one conversation of one account.
    #[test]
    fn s3_x3_conversations_never_share_a_session(a in any_inbound(), b in any_inbound()) {
        let mut rules = open_rules();
        rules.session.dm_scope = DmScope::PerAccountChannelPeer;
        let same = key_of(&a, &rules) == key_of(&b, &rules);
        prop_assert_eq!(same, conversation(&a) == conversation(&b));
    }

    /// Whatever the scope: two different threads never share a session.
    #[test]
    fn s3_threads_never_meet(
        a in any_inbound(),
        b in any_inbound(),
        scope in prop::sample::select(vec![
            DmScope::Main, DmScope::PerPeer, DmScope::PerChannelPeer,
            DmScope::PerAccountChannelPeer,
        ]),
        group_scope in prop::sample::select(vec![GroupScope::PerGroup, GroupScope::Main]),
    ) {
        let mut rules = open_rules();
        rules.session.dm_scope = scope;
        rules.session.group_scope = group_scope;
        let same_kind = a.chat == b.chat;
        if a.thread.is_some() && same_kind && conversation(&a) != conversation(&b) {
            prop_assert_ne!(key_of(&a, &rules), key_of(&b, &rules));
        }
    }

    #[test]
    fn routing_is_repeatable_and_an_unrelated_binding_changes_nothing(
        message in any_inbound(),
        paired: bool,
    ) {
        let mut rules = open_rules();
        let before = route(&message, &rules, &|_| paired);
        prop_assert_eq!(&route(&message, &rules, &|_| paired), &before);
        let mut unrelated = binding("a", AccountMatch::Any);
        unrelated.channel = "slack".to_owned();
        rules.bindings.push(unrelated);
        prop_assert_eq!(route(&message, &rules, &|_| paired), before);
    }

    #[test]
    fn deny_beats_every_binding(message in any_inbound()) {
        let mut rules = open_rules();
        rules.bindings = vec![
            peer_binding("a", message.chat, PeerId::Exact(message.peer.clone())),
            binding("a", AccountMatch::Any),
        ];
        for access in rules.access.values_mut() {
            access.dm_policy = DmPolicy::Disabled;
            access.group_policy = GroupPolicy::Disabled;
        }
        let refused = route(&message, &rules, &|_| true);
        prop_assert!(matches!(refused, Route::Refused(_)), "{refused:?}");
    }
}
