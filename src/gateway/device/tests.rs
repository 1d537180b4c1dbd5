//! Which tokens of a device are good, whatever was rotated and whatever was heard.

use super::*;
use crate::gateway::handshake::Wish;
use crate::gateway::pairing;

const ROLE: Role = Role::Operator;

fn record() -> DeviceRecord {
    let portrait = Portrait {
        device_id: "own".into(),
        public_key: "key".into(),
        display_name: None,
        platform: "linux".into(),
        device_family: None,
        client_id: "cli".into(),
        client_mode: "cli".into(),
    };
    let wish = Wish { portrait, role: ROLE, scopes: Vec::new() };
    let mut record = pairing::let_in(None, &wish, "x", None, 0);
    record.issue(ROLE, Vec::new(), Some("first"), 0);
    record
}

/// Those of these texts that are good to come back with.
fn good(record: &DeviceRecord, now: i64) -> Vec<&'static str> {
    let token = record.token(ROLE).unwrap();
    let all = ["first", "second", "third", "fourth"];
    all.into_iter().filter(|text| token.is(text) || token.was(text, now)).collect()
}

/// Somebody else replaces the token.
fn rotated(record: &mut DeviceRecord, now: i64) {
    record.issue(ROLE, Vec::new(), None, now);
}

#[test]
fn what_a_device_may_hold_is_good_until_it_shows_the_new_one() {
    let mut record = record();
    rotated(&mut record, 1);
    rotated(&mut record, 2);
    assert_eq!(good(&record, 2), ["first"], "it was given none in between");
    record.replace(ROLE, "first", "second", 3);
    assert_eq!(good(&record, 3), ["first", "second"]);
    // The answer may have been lost, or not.
    rotated(&mut record, 4);
    assert_eq!(good(&record, 4), ["first", "second"]);
    let (mut lost, mut heard) = (record.clone(), record.clone());
    lost.replace(ROLE, "first", "third", 5);
    assert_eq!(good(&lost, 5), ["first", "third"], "the second was never heard of");
    heard.replace(ROLE, "second", "third", 5);
    assert_eq!(good(&heard, 5), ["second", "third"], "whoever has the second has not the first");
    for mut record in [lost, heard] {
        rotated(&mut record, 6);
        assert_eq!(record.token(ROLE).unwrap().retiring.len(), 2, "never more");
        record.replace(ROLE, "third", "fourth", 7);
        record.settle(ROLE);
        assert_eq!(good(&record, 7), ["fourth"]);
    }
}

#[test]
fn what_is_taken_back_is_good_for_nothing() {
    let mut record = record();
    rotated(&mut record, 1);
    record.replace(ROLE, "first", "second", 2);
    rotated(&mut record, 3);
    for token in &mut record.tokens {
        token.revoke(4);
    }
    assert!(good(&record, 4).is_empty());
    // Also not once a new one is due.
    rotated(&mut record, 5);
    assert!(good(&record, 5).is_empty());
}

#[test]
fn a_token_that_was_replaced_is_not_good_for_ever() {
    let mut record = record();
    rotated(&mut record, 1);
    assert_eq!(good(&record, RETIRING_MS), ["first"]);
    assert!(good(&record, RETIRING_MS + 1).is_empty());
    // From when it was first replaced, however often it is shown and replaced since.
    record.replace(ROLE, "first", "second", 10);
    rotated(&mut record, 20);
    assert_eq!(good(&record, RETIRING_MS), ["first", "second"]);
    assert_eq!(good(&record, RETIRING_MS + 1), ["second"]);
    assert_eq!(good(&record, RETIRING_MS + 19), ["second"]);
    record.replace(ROLE, "second", "third", RETIRING_MS);
    rotated(&mut record, RETIRING_MS + 10);
    assert_eq!(good(&record, RETIRING_MS + 20), ["third"]);
}

#[test]
fn a_device_that_comes_back_twice_at_once_may_keep_either_token() {
    let mut record = record();
    rotated(&mut record, 1);
    record.replace(ROLE, "first", "second", 2);
    record.replace(ROLE, "first", "third", 2);
    assert_eq!(good(&record, 2), ["first", "second", "third"]);
    let mut kept = record.clone();
    kept.replace(ROLE, "second", "fourth", 3);
    assert_eq!(good(&kept, 3), ["second", "third", "fourth"]);
    // Never more than two beside the new one.
    record.replace(ROLE, "first", "fourth", 3);
    assert_eq!(good(&record, 3), ["first", "third", "fourth"]);
    rotated(&mut record, 4);
    assert_eq!(good(&record, 4), ["first", "fourth"]);
    record.replace(ROLE, "fourth", "second", 5);
    record.settle(ROLE);
    assert_eq!(good(&record, 5), ["second"]);
}

#[test]
fn a_device_that_replaces_its_own_token_is_told_and_the_old_one_ends() {
    let mut record = record();
    rotated(&mut record, 1);
    record.issue(ROLE, Vec::new(), Some("second"), 2);
    assert_eq!(good(&record, 2), ["second"]);
}
