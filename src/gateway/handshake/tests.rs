//! What no client gets, whatever it says.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::*;
use crate::gateway::device_proof::tests::signed;
use crate::gateway::pairing;
use crate::gateway::visitor::Via;

const SECRET: &str = "the-right-secret";
const OWN: &str = "the-right-token";
const CODE: &str = "the-right-code";

fn visitor(is_local: bool, page: Page) -> Visitor {
    let address = if is_local { [127, 0, 0, 1] } else { [203, 0, 113, 7] };
    let (address, via) = (address.into(), Via::Port);
    let (proxy, claim, ceiling) = (None, None, None);
    Visitor { address, is_placed: true, is_local, proxy, via, page, claim, ceiling }
}

/// A client without proof of a device.
fn connect(kind: (&str, &str), role: &str, scopes: &[String], auth: Value) -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4, "role": role, "scopes": scopes, "auth": auth,
        "client": {"id": kind.0, "version": "1", "platform": "linux", "mode": kind.1},
    })
}

fn names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.name().to_owned()).collect()
}

fn some_scopes() -> impl Strategy<Value = Vec<String>> {
    subsequence(Scope::ALL.to_vec(), 0..=Scope::ALL.len()).prop_map(|scopes| names(&scopes))
}

fn any_page() -> impl Strategy<Value = Page> {
    select(vec![Page::None, Page::Welcome("http://a".into()), Page::Foreign("http://b".into())])
}

/// Anything but the right secret.
fn wrong() -> impl Strategy<Value = Option<String>> {
    of(prop_oneof![
        ".{0,20}",
        select(vec![OWN.to_owned(), CODE.to_owned(), String::new(), format!("{SECRET} ")]),
    ])
    .prop_filter("the right one", |text| text.as_deref() != Some(SECRET))
}

/// A device on record, with a token of its own for its role.
fn record_of(
    connect: &Connect,
    role: Role,
    scopes: Vec<String>,
    carried: Vec<String>,
) -> DeviceRecord {
    let portrait = portrait(connect).unwrap();
    let mut record = pairing::let_in(None, &Wish { portrait, role, scopes }, "x", None, 0);
    record.issue(role, carried, Some(OWN), 0);
    record
}

fn known<'a>(visitor: &'a Visitor, record: Option<&'a DeviceRecord>) -> Known<'a> {
    Known {
        mode: GatewayAuthMode::Token,
        secret: Some(SECRET),
        nonce: "nonce",
        ts: 1000,
        visitor,
        identity: None,
        given: &[],
        record,
        setup: None,
        waits: [None; 3],
    }
}

fn granted(outcome: &Outcome) -> Option<&Grant> {
    match outcome {
        Outcome::LetIn(grant) | Outcome::Pair(grant, ..) => Some(grant),
        Outcome::Ask(..) | Outcome::Refuse(_) => None,
    }
}

proptest! {
    // X1
    #[test]
    fn a_known_device_never_gets_more_than_its_record_says(
        approved in some_scopes(),
        carried in some_scopes(),
        asked in some_scopes(),
        by_token: bool,
        is_local: bool,
        is_node: bool,
        asks_node: bool,
        page in any_page(),
    ) {
        let role = if is_node { Role::Node } else { Role::Operator };
        let asks = if asks_node { "node" } else { "operator" };
        let auth = if by_token { json!({"deviceToken": OWN}) } else { json!({"token": SECRET}) };
        let connect = signed(1, connect(("cli", "cli"), asks, &asked, auth), 0);
        let record = record_of(&connect, role, approved.clone(), carried.clone());
        let visitor = visitor(is_local, page.clone());
        let judged = judge(&connect, &known(&visitor, Some(&record)));
        if let Some(grant) = granted(&judged.outcome) {
            let scopes = names(&grant.scopes);
            prop_assert!(covers(&approved, &scopes) && covers(&asked, &scopes));
            prop_assert!(!by_token || covers(&carried, &scopes));
            prop_assert_eq!(grant.role, role);
            let is_pairing = matches!(judged.outcome, Outcome::Pair(..));
            prop_assert!(!is_pairing, "never widened in silence");
            let is_foreign = matches!(page, Page::Foreign(_));
            prop_assert!(!is_foreign);
        }
    }

    // CVE-2026-28472
    #[test]
    fn nobody_is_let_in_by_a_secret_that_is_only_there(
        token in wrong(), password in wrong(), device_token in wrong(), code in wrong(),
        asked in some_scopes(), has_device: bool, is_known: bool, is_local: bool,
        kind in select(vec![("cli", "cli"), ("gateway-client", "backend"), ("webchat-ui", "ui")]),
    ) {
        // A device's own token is right for that device only.
        let is_own = |text: &Option<String>| text.as_deref() == Some(OWN);
        prop_assume!(!(has_device && is_known && (is_own(&token) || is_own(&device_token))));
        let auth = json!({
            "token": token, "password": password, "deviceToken": device_token, "bootstrapToken": code,
        });
        let plain = connect(kind, "operator", &asked, auth);
        let connect = if has_device {
            signed(1, plain, 0)
        } else {
            serde_json::from_value(plain).unwrap()
        };
        let record = (has_device && is_known)
            .then(|| record_of(&connect, Role::Operator, asked.clone(), asked.clone()));
        let visitor = visitor(is_local, Page::None);
        let judged = judge(&connect, &known(&visitor, record.as_ref()));
        let is_refused = matches!(judged.outcome, Outcome::Refuse(_));
        prop_assert!(is_refused, "{:?}", judged.outcome);
        // Whatever stands beside it, a wrong token is counted.
        let has_guessed = token.as_deref().is_some_and(|token| !token.is_empty());
        prop_assert_eq!(judged.failed.contains(&Class::Shared), has_guessed);
    }

    // X1
    #[test]
    fn a_stranger_is_remembered_only_from_this_machine_and_with_the_secret(
        asked in some_scopes(), is_local: bool, page in any_page(),
    ) {
        let plain = connect(("cli", "cli"), "operator", &asked, json!({"token": SECRET}));
        let connect = signed(1, plain, 0);
        let visitor = visitor(is_local, page.clone());
        match judge(&connect, &known(&visitor, None)).outcome {
            Outcome::Pair(grant, wish, "silent") => {
                let is_foreign = matches!(page, Page::Foreign(_));
                prop_assert!(is_local && !is_foreign);
                prop_assert_eq!(names(&grant.scopes), wish.scopes);
            }
            Outcome::Ask(..) => prop_assert!(!is_local),
            Outcome::Refuse(_) => {
                let is_foreign = matches!(page, Page::Foreign(_));
                prop_assert!(is_foreign);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn who_has_to_wait_is_not_told_whether_it_has_guessed_right() {
    let visitor = visitor(false, Page::None);
    let waits = [Some(7), None, None];
    let answers = [SECRET, "wrong"].map(|token| {
        let plain = connect(("cli", "cli"), "operator", &[], json!({"token": token}));
        let connect: Connect = serde_json::from_value(plain).unwrap();
        judge(&connect, &Known { waits, ..known(&visitor, None) })
    });
    assert_eq!(answers[0], answers[1]);
    let Outcome::Refuse(refusal) = &answers[0].outcome else { panic!("{answers:?}") };
    assert_eq!(refusal.error.retry_after_ms, Some(7));
}

#[test]
fn a_device_token_beside_a_guess_does_not_hide_it() {
    let visitor = visitor(false, Page::None);
    for (token, counted) in [(Some("guess"), true), (Some(OWN), false), (None, false)] {
        let auth = json!({"token": token, "deviceToken": OWN});
        let connect = signed(1, connect(("cli", "cli"), "operator", &[], auth), 0);
        let record = record_of(&connect, Role::Operator, Vec::new(), Vec::new());
        let judged = judge(&connect, &known(&visitor, Some(&record)));
        assert!(matches!(judged.outcome, Outcome::LetIn(_)), "{judged:?}");
        assert_eq!(judged.failed.contains(&Class::Shared), counted, "{token:?}");
    }
}

#[test]
fn somebody_a_proxy_knows_has_its_device_approved_first() {
    let visitor = visitor(false, Page::None);
    let identity = Some(("trusted-proxy", "ann"));
    let ann = |is_device: bool, record: Option<&DeviceRecord>| {
        let asked = names(&[Scope::Read]);
        let plain = connect(("cli", "cli"), "operator", &asked, json!({}));
        let connect =
            if is_device { signed(1, plain, 0) } else { serde_json::from_value(plain).unwrap() };
        judge(&connect, &Known { identity, ..known(&visitor, record) }).outcome
    };
    assert!(matches!(ann(true, None), Outcome::Ask(_, Reason::NotPaired)));
    let Outcome::LetIn(grant) = ann(false, None) else { panic!("a person without a device") };
    assert!(grant.scopes.is_empty(), "may look at nothing");
}

// X1
#[test]
fn what_a_person_is_given_counts_for_operators_they_are_verified_as_and_for_nobody_else() {
    let remote = visitor(false, Page::None);
    let narrowed = Visitor { ceiling: Some(vec![Scope::Read, Scope::Pairing]), ..remote.clone() };
    let shut = Visitor { ceiling: Some(Vec::new()), ..remote.clone() };
    let given = [Scope::Admin];
    let signed = |role: &str, scopes: &[String], auth: Value| {
        signed(1, connect(("cli", "cli"), role, scopes, auth), 0)
    };
    let all = names(&Scope::ALL);
    let read = names(&[Scope::Read]);
    let operator = signed("operator", &all, json!({}));
    let record = record_of(&operator, Role::Operator, read.clone(), read.clone());
    let person = |visitor: &Visitor, connect: &Connect, record| {
        let identity = Some(("trusted-proxy", "ann"));
        judge(connect, &Known { identity, given: &given, ..known(visitor, record) }).outcome
    };
    // The device keeps what it has, and asks nobody for what the person has.
    let Outcome::LetIn(grant) = person(&remote, &operator, Some(&record)) else {
        panic!("nothing has to be approved")
    };
    assert_eq!(grant.scopes, [Scope::Read, Scope::Admin]);
    let Outcome::LetIn(grant) = person(&narrowed, &operator, Some(&record)) else {
        panic!("a ceiling asks nobody")
    };
    assert_eq!(grant.scopes, [Scope::Read, Scope::Pairing]);
    let Outcome::LetIn(grant) = person(&shut, &operator, Some(&record)) else { panic!("let in") };
    assert_eq!(grant.scopes, []);
    // A device nobody knows is still for a person to approve, and for no more than the ceiling.
    let Outcome::Ask(wish, Reason::NotPaired) = person(&narrowed, &operator, None) else {
        panic!("a device nobody knows")
    };
    assert_eq!(wish.scopes, names(&[Scope::Read, Scope::Pairing]));
    let plain: Connect =
        serde_json::from_value(connect(("webchat-ui", "webchat"), "operator", &all, json!({})))
            .unwrap();
    let Outcome::LetIn(grant) = person(&remote, &plain, None) else { panic!("without a device") };
    assert_eq!(grant.scopes, [Scope::Admin], "what it says of itself counts for nothing");

    // Neither a node, nor somebody with a secret, nor a device by itself.
    let node = signed("node", &[], json!({}));
    let of_node = record_of(&node, Role::Node, Vec::new(), Vec::new());
    let Outcome::LetIn(grant) = person(&remote, &node, Some(&of_node)) else { panic!("a node") };
    assert_eq!(grant.scopes, []);
    for auth in [json!({"token": SECRET}), json!({"deviceToken": OWN})] {
        let connect = signed("operator", &read, auth.clone());
        let record = record_of(&connect, Role::Operator, read.clone(), read.clone());
        let outcome = judge(&connect, &Known { given: &given, ..known(&remote, Some(&record)) });
        let Outcome::LetIn(grant) = outcome.outcome else { panic!("{auth}") };
        assert_eq!(grant.scopes, [Scope::Read], "{auth}");
    }
}
