use proptest::prelude::*;

use super::*;

fn direct(scope: DmScope) -> String {
    let account = AccountKey::new("imessage", "default");
    SessionKey::direct("main", scope, &account, "+15551230001", "main").unwrap().to_string()
}

#[test]
fn ordinary_keys_are_plain() {
    assert_eq!(SessionKey::main("main", "main").unwrap().as_str(), "agent:main:main");
    assert_eq!(direct(DmScope::Main), "agent:main:main");
    assert_eq!(direct(DmScope::PerPeer), "agent:main:direct:+15551230001");
    assert_eq!(direct(DmScope::PerChannelPeer), "agent:main:imessage:direct:+15551230001");
    assert_eq!(
        direct(DmScope::PerAccountChannelPeer),
        "agent:main:imessage:default:direct:+15551230001"
    );
    let group = SessionKey::group("main", "telegram", "-1001").unwrap();
    assert_eq!(group.as_str(), "agent:main:telegram:group:-1001");
    let channel = SessionKey::channel("Work", "slack", "C0AbC").unwrap();
    assert_eq!(channel.as_str(), "agent:Work:slack:channel:C0AbC");
    let thread = channel.with_thread("1712.5").unwrap();
    assert_eq!(thread.as_str(), "agent:Work:slack:channel:C0AbC:thread:1712.5");
    assert_eq!(thread.agent().as_deref(), Some("Work"));
    let mail = AccountKey::new("email", "x");
    let mail = SessionKey::direct("a", DmScope::PerPeer, &mail, "Ann.Lee+x@example.org", "main");
    assert_eq!(mail.unwrap().as_str(), "agent:a:direct:Ann.Lee+x@example.org");
    assert_eq!(SessionKey::global().as_str(), "global");
    assert_eq!(SessionKey::global().agent(), None);
}

#[test]
fn separators_inside_parts_are_encoded() {
    let key = SessionKey::group("main", "matrix", "!a b:ex%ample").unwrap();
    assert_eq!(key.as_str(), "agent:main:matrix:group:!a%20b%3Aex%25ample");
}

#[test]
fn empty_parts_and_impossible_threads_are_refused() {
    assert_eq!(SessionKey::main("", "main"), Err(KeyError::EmptyPart("agent")));
    assert_eq!(SessionKey::group("a", "x", ""), Err(KeyError::EmptyPart("room id")));
    assert_eq!(SessionKey::global().with_thread("1"), Err(KeyError::GlobalThread));
    let threaded = SessionKey::main("a", "main").unwrap().with_thread("1").unwrap();
    assert_eq!(threaded.with_thread("2"), Err(KeyError::SecondThread));
}

#[test]
fn only_the_canonical_spelling_is_read() {
    for wrong in [
        "",
        "agent",
        "agent:a",
        "agent::main",
        "agent:a:",
        "agent:a:thread:1",
        "agent:a:b:elsewhere:c",
        "agent:a:%41",
        "agent:a:x%3ay",
        "agent:a:x%",
        "agent:a:x%FF",
        "agent:a:x y",
        "global:thread:1",
        "agent:a:main:thread:1:thread:2",
    ] {
        assert!(SessionKey::parse(wrong).is_err(), "{wrong:?} was read");
    }
}

#[test]
fn serde_keeps_the_text_and_refuses_a_wrong_one() {
    let key = SessionKey::main("a", "main").unwrap();
    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(json, "\"agent:a:main\"");
    assert_eq!(serde_json::from_str::<SessionKey>(&json).unwrap(), key);
    assert!(serde_json::from_str::<SessionKey>("\"nonsense\"").is_err());
}

/// Parts that look like the grammar's own words and separators.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "direct",
            "group",
            "channel",
            "thread",
            "agent",
            "main",
            "global",
            "hook",
            "default",
            "a",
            ":",
            "%",
            "a:b",
            "%3A",
            "a%3Ab",
            "a:thread:b",
            "A",
            " ",
        ])
        .prop_map(str::to_owned),
        "[a:%\u{0}\u{a0}é ]{1,4}",
        "\\PC{1,6}",
    ]
}

fn place() -> impl Strategy<Value = Place> {
    let kind = prop_oneof![Just(RoomKind::Group), Just(RoomKind::Channel)];
    prop_oneof![
        part().prop_map(Place::Main),
        part().prop_map(Place::Peer),
        part().prop_map(Place::Hook),
        (part(), part()).prop_map(|(channel, peer)| Place::ChannelPeer { channel, peer }),
        (part(), part(), part()).prop_map(|(channel, account, peer)| Place::AccountPeer {
            account: AccountKey { channel, account },
            peer
        }),
        (part(), prop::option::of(part()), kind, part())
            .prop_map(|(channel, account, kind, id)| Place::Room { channel, account, kind, id }),
    ]
}

fn parts() -> impl Strategy<Value = KeyParts> {
    prop_oneof![
        1 => Just(KeyParts::Global),
        20 => (part(), place(), prop::option::of(part()))
            .prop_map(|(agent, place, thread)| KeyParts::Agent { agent, place, thread }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// S3: the parts can be read back from the key, so different parts have different keys.
    #[test]
    fn s3_a_key_reads_back_to_its_parts(parts in parts()) {
        let key = SessionKey::from_parts(&parts).unwrap();
        prop_assert_eq!(key.parts(), parts);
        prop_assert_eq!(SessionKey::parse(key.as_str()), Ok(key));
    }

    #[test]
    fn s3_keys_are_injective(a in parts(), b in parts()) {
        let same = SessionKey::from_parts(&a) == SessionKey::from_parts(&b);
        prop_assert_eq!(same, a == b);
    }

    #[test]
    fn s3_direct_keys_are_injective(
        scope in prop::sample::select(vec![
            DmScope::PerPeer, DmScope::PerChannelPeer, DmScope::PerAccountChannelPeer,
        ]),
        a in (part(), part(), part(), prop::option::of(part())),
        b in (part(), part(), part(), prop::option::of(part())),
    ) {
        type Tuple = (String, String, String, Option<String>);
        let key = |t: &Tuple| {
            let account = AccountKey::new(&t.0, &t.1);
            let key = SessionKey::direct("a", scope, &account, &t.2, "main").unwrap();
            t.3.as_ref().map_or(key.clone(), |thread| key.with_thread(thread).unwrap())
        };
        let named = |t: &Tuple| match scope {
            DmScope::Main | DmScope::PerPeer => (None, None, t.2.clone(), t.3.clone()),
            DmScope::PerChannelPeer => (Some(t.0.clone()), None, t.2.clone(), t.3.clone()),
            DmScope::PerAccountChannelPeer => {
                (Some(t.0.clone()), Some(t.1.clone()), t.2.clone(), t.3.clone())
            }
        };
        prop_assert_eq!(key(&a) == key(&b), named(&a) == named(&b));
    }

    #[test]
    fn whatever_parses_is_canonical(text in "(agent|global)(:[a%:3A ]{0,4}){0,5}|\\PC{0,20}") {
        if let Ok(key) = SessionKey::parse(&text) {
            let again = SessionKey::from_parts(&key.parts()).unwrap();
            prop_assert_eq!(again.as_str(), &text);
        }
    }
}
