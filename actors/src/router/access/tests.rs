use std::collections::BTreeMap;

use proptest::prelude::*;
use regex::Regex;

use super::super::rules::AccessGroup;
use super::super::testing::{inbound, strings};
use super::*;

const ANN: &str = "+15551230001";

fn nobody(_: &str) -> bool {
    false
}

fn everybody(_: &str) -> bool {
    true
}

fn decide_dm(policy: DmPolicy, list: &[&str], paired: &dyn Fn(&str) -> bool) -> Decision {
    let access = Access { dm_policy: policy, allow_from: strings(list), ..Access::default() };
    decide(&inbound(ChatKind::Direct, ANN, ANN), &access, paired, &AccessGroups::default())
}

fn decide_group(access: &Access) -> Decision {
    let mut message = inbound(ChatKind::Group, "g1", ANN);
    message.peer_aliases = strings(&["chat_id:7"]);
    decide(&message, access, &everybody, &AccessGroups::default())
}

fn open_groups() -> Access {
    Access { group_policy: GroupPolicy::Open, ..Access::default() }
}

fn one_group(id: &str, rules: GroupRules) -> BTreeMap<String, GroupRules> {
    BTreeMap::from([(id.to_owned(), rules)])
}

#[test]
fn direct_messages_follow_the_policy() {
    use DmPolicy::{Allowlist, Disabled, Open, Pairing};
    let refuse = Decision::Refuse;
    let table: [(DmPolicy, &[&str], bool, Decision); 13] = [
        (Pairing, &[], false, Decision::Pair),
        (Pairing, &[], true, Decision::Allow),
        (Pairing, &[ANN], false, Decision::Allow),
        (Pairing, &["+1555"], false, Decision::Pair),
        (Allowlist, &[], false, refuse(Refusal::DmNotAllowed)),
        (Allowlist, &[], true, Decision::Allow),
        (Allowlist, &["iMessage:+15551230001"], false, Decision::Allow),
        (Allowlist, &["telegram:+15551230001"], false, refuse(Refusal::DmNotAllowed)),
        (Open, &["*"], false, Decision::Allow),
        (Open, &[], false, refuse(Refusal::DmOpenWithoutWildcard)),
        (Open, &[], true, refuse(Refusal::DmOpenWithoutWildcard)),
        (Open, &[ANN], false, Decision::Allow),
        (Disabled, &["*", ANN], true, refuse(Refusal::DmDisabled)),
    ];
    for (policy, list, paired, expected) in table {
        let answer = decide_dm(policy, list, &|_| paired);
        assert_eq!(answer, expected, "{policy:?} {list:?} paired={paired}");
    }
}

#[test]
fn only_whole_ids_match() {
    for near in ["15551230001", "+1555123000", "+155512300011", "5551230001", "+1555*", ""] {
        let answer = decide_dm(DmPolicy::Allowlist, &[near], &nobody);
        assert_eq!(answer, Decision::Refuse(Refusal::DmNotAllowed), "{near:?}");
    }
}

#[test]
fn e_mail_case_does_not_matter_and_the_paired_store_sees_the_normalised_id() {
    let message = inbound(ChatKind::Direct, "Ann@X.org", "Ann@X.org ");
    let paired = |id: &str| id == "ann@x.org";
    let decision = decide(&message, &Access::default(), &paired, &AccessGroups::default());
    assert_eq!(decision, Decision::Allow);
}

#[test]
fn access_groups_match_members_of_the_channel_only_and_a_missing_one_matches_nobody() {
    let members = BTreeMap::from([
        ("imessage".to_owned(), strings(&[ANN])),
        ("slack".to_owned(), strings(&["+15551230002"])),
        ("*".to_owned(), strings(&["+15551230003", "*", "accessGroup:crew"])),
    ]);
    let groups = AccessGroups(BTreeMap::from([("crew".to_owned(), AccessGroup { members })]));
    let access = Access {
        dm_policy: DmPolicy::Allowlist,
        allow_from: strings(&["accessGroup:crew", "accessGroup:missing"]),
        ..Access::default()
    };
    let allowed = |sender: &str, groups: &AccessGroups| {
        decide(&inbound(ChatKind::Direct, sender, sender), &access, &nobody, groups)
            == Decision::Allow
    };
    assert!(allowed(ANN, &groups));
    assert!(!allowed("+15551230002", &groups));
    assert!(allowed("+15551230003", &groups));
    assert!(!allowed("+15551230004", &groups));
    assert!(!allowed(ANN, &AccessGroups::default()));
}

#[test]
fn the_group_list_falls_back_only_when_it_is_not_set() {
    let mut access = Access { allow_from: strings(&[ANN]), ..Access::default() };
    assert_eq!(decide_group(&access), Decision::Allow);
    access.group_allow_from = Some(Vec::new());
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupSenderNotAllowed));
    access.group_allow_from = Some(strings(&["chat_id:7"]));
    assert_eq!(decide_group(&access), Decision::Allow);
    access.group_allow_from = Some(strings(&["g1"]));
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupSenderNotAllowed));
    access.group_allow_from = None;
    access.allow_from = strings(&["chat_id:7"]);
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupSenderNotAllowed));
}

#[test]
fn gates_are_asked_in_order() {
    let mention = vec![Regex::new("(?i)@bot").unwrap()];
    let mut access = Access {
        group_policy: GroupPolicy::Disabled,
        groups: one_group("other", GroupRules::default()),
        mention_patterns: mention,
        ..Access::default()
    };
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupsDisabled));
    access.group_policy = GroupPolicy::Allowlist;
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupSenderNotAllowed));
    access.group_allow_from = Some(strings(&[ANN]));
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::GroupNotListed));
    access.groups.insert("chat_id:7".to_owned(), GroupRules::default());
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::NotMentioned));
    access.mention_patterns = vec![Regex::new("hello").unwrap()];
    assert_eq!(decide_group(&access), Decision::Allow);
}

#[test]
fn without_patterns_or_without_the_demand_no_mention_is_needed() {
    let mut access = open_groups();
    assert_eq!(decide_group(&access), Decision::Allow);
    access.mention_patterns = vec![Regex::new("@bot").unwrap()];
    assert_eq!(decide_group(&access), Decision::Refuse(Refusal::NotMentioned));
    let relaxed = GroupRules { require_mention: Some(false), ..GroupRules::default() };
    access.groups = one_group("*", relaxed);
    assert_eq!(decide_group(&access), Decision::Allow);
}

#[test]
fn a_group_overrides_field_by_field() {
    let refused = |refusal| Decision::Refuse(refusal);
    let off = GroupRules { enabled: Some(false), ..GroupRules::default() };
    let mut access = Access { groups: one_group("*", off), ..open_groups() };
    assert_eq!(decide_group(&access), refused(Refusal::GroupDisabled));
    let on = GroupRules { enabled: Some(true), ..GroupRules::default() };
    access.groups.insert("g1".to_owned(), on);
    assert_eq!(decide_group(&access), Decision::Allow);

    let narrowed = GroupRules { allow_from: Some(Vec::new()), ..GroupRules::default() };
    access.groups = one_group("imessage:g1", narrowed);
    assert_eq!(decide_group(&access), refused(Refusal::GroupSenderNotAllowed));

    let closed = GroupRules { group_policy: Some(GroupPolicy::Disabled), ..GroupRules::default() };
    access.groups = one_group("g1", closed);
    assert_eq!(decide_group(&access), refused(Refusal::GroupDisabled));

    let opened = GroupRules { group_policy: Some(GroupPolicy::Open), ..GroupRules::default() };
    access.group_policy = GroupPolicy::Disabled;
    access.groups = one_group("g1", opened);
    assert_eq!(decide_group(&access), Decision::Allow);
}

#[test]
fn a_message_from_nobody_is_refused_even_when_everything_is_open() {
    let access = Access { dm_policy: DmPolicy::Open, allow_from: strings(&["*"]), ..open_groups() };
    for (chat, peer, sender) in
        [(ChatKind::Direct, "p", " "), (ChatKind::Direct, "", "p"), (ChatKind::Group, "g", "")]
    {
        let decision =
            decide(&inbound(chat, peer, sender), &access, &everybody, &AccessGroups::default());
        assert_eq!(decision, Decision::Refuse(Refusal::NoIdentity));
    }
}

fn any_access() -> impl Strategy<Value = Access> {
    let list =
        || prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "accessGroup:x"]), 0..3);
    let dm = prop::sample::select(vec![
        DmPolicy::Pairing,
        DmPolicy::Allowlist,
        DmPolicy::Open,
        DmPolicy::Disabled,
    ]);
    let policy = || {
        prop::sample::select(vec![GroupPolicy::Allowlist, GroupPolicy::Open, GroupPolicy::Disabled])
    };
    let rules = (any::<Option<bool>>(), any::<Option<bool>>(), prop::option::of(list())).prop_map(
        |(enabled, require_mention, allow_from)| GroupRules {
            enabled,
            require_mention,
            allow_from: allow_from.map(|l| strings(&l)),
            group_policy: None,
        },
    );
    let groups =
        prop::collection::btree_map(prop::sample::select(vec!["g1", "g2", "*"]), rules, 0..3);
    (dm, list(), policy(), prop::option::of(list()), groups).prop_map(
        |(dm_policy, allow_from, group_policy, group_allow_from, groups)| Access {
            dm_policy,
            allow_from: strings(&allow_from),
            group_policy,
            group_allow_from: group_allow_from.map(|l| strings(&l)),
            groups: groups.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            mention_patterns: Vec::new(),
        },
    )
}

proptest! {
    #[test]
    fn a_pairing_never_changes_a_group(access in any_access(), sender in "[abc]") {
        for chat in [ChatKind::Group, ChatKind::Channel] {
            let message = inbound(chat, "g1", &sender);
            let groups = AccessGroups::default();
            prop_assert_eq!(
                decide(&message, &access, &everybody, &groups),
                decide(&message, &access, &nobody, &groups)
            );
        }
    }

    #[test]
    fn a_pairing_never_widens_open_nor_disabled(access in any_access(), sender in "[abc]") {
        let message = inbound(ChatKind::Direct, &sender, &sender);
        let groups = AccessGroups::default();
        let with = decide(&message, &access, &everybody, &groups);
        let without = decide(&message, &access, &nobody, &groups);
        match access.dm_policy {
            DmPolicy::Open | DmPolicy::Disabled => prop_assert_eq!(with, without),
            DmPolicy::Pairing | DmPolicy::Allowlist => prop_assert_eq!(with, Decision::Allow),
        }
    }

    #[test]
    fn deny_beats_allow(mut access in any_access(), sender in "[abc]") {
        access.dm_policy = DmPolicy::Disabled;
        access.group_policy = GroupPolicy::Disabled;
        for chat in [ChatKind::Direct, ChatKind::Group, ChatKind::Channel] {
            let decision =
                decide(&inbound(chat, "g1", &sender), &access, &everybody, &AccessGroups::default());
            prop_assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
        }
    }

    #[test]
    fn only_direct_messages_pair(access in any_access(), sender in "[abc]") {
        for chat in [ChatKind::Group, ChatKind::Channel] {
            let message = inbound(chat, "g1", &sender);
            let decision = decide(&message, &access, &nobody, &AccessGroups::default());
            prop_assert_ne!(decision, Decision::Pair);
        }
    }
}
