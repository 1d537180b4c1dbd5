//! Small readings of stored values.

use proptest::prelude::*;
use telson_actors::channel::imessage::row::{
    Chat, SendState, apple_date, apple_time, guid_address, normalise_handle,
};
use telson_actors::clock::Timestamp;

use crate::rows::{direct, group};

#[test]
fn dates_are_nanoseconds_or_old_seconds_since_2001() {
    assert_eq!(apple_time(0), None);
    assert_eq!(apple_time(812_345_678_901_234_567), Some(Timestamp(1_790_652_878_901)));
    assert_eq!(apple_time(812_345_678), Some(Timestamp(1_790_652_878_000)));
    assert_eq!(apple_time(999_999_999_999), Some(Timestamp(1_000_978_307_199_000)));
    assert_eq!(apple_time(1_000_000_000_000), Some(Timestamp(978_308_200_000)));
    assert!(apple_time(i64::MAX).is_some());
    assert!(apple_time(i64::MIN).is_some());
}

#[test]
fn handles_keep_their_plus_and_lose_their_case() {
    assert_eq!(normalise_handle(" +15551230001 "), "+15551230001");
    assert_eq!(normalise_handle("Carol@Example.COM"), "carol@example.com");
    assert_eq!(normalise_handle("AMAZON"), "AMAZON");
}

#[test]
fn guids_name_the_same_address_under_any_service() {
    for guid in ["any;-;+1555", "SMS;-;+1555", "iMessage;+;+1555", "+1555"] {
        assert_eq!(guid_address(guid), "+1555");
    }
}

#[test]
fn any_sign_of_a_group_makes_a_group() {
    assert!(!direct().is_group());
    assert!(group().is_group());
    let by_room = Chat { room_name: Some("chat9".into()), ..direct() };
    let by_guid = Chat { guid: "any;+;x".into(), ..direct() };
    let by_style = Chat { style: 43, ..direct() };
    let by_name = Chat { identifier: None, guid: "any;-;chat61728".into(), ..direct() };
    for chat in [by_room, by_guid, by_style, by_name] {
        assert!(chat.is_group(), "{chat:?}");
    }
    let named_chat = Chat { identifier: Some("chat@example.com".into()), ..direct() };
    assert!(!named_chat.is_group());
}

#[test]
fn an_error_outweighs_every_other_flag() {
    assert_eq!(SendState::from_flags(22, true, true), SendState::Failed { code: 22 });
    assert_eq!(SendState::from_flags(0, false, true), SendState::Delivered);
    assert_eq!(SendState::from_flags(0, true, false), SendState::Sent);
    assert_eq!(SendState::from_flags(0, false, false), SendState::Pending);
}

proptest! {
    #[test]
    fn dates_survive_the_round_trip(millis in 978_307_202_000_i64..4_000_000_000_000) {
        prop_assert_eq!(apple_time(apple_date(Timestamp(millis))), Some(Timestamp(millis)));
    }

    #[test]
    fn normalising_twice_changes_nothing(handle in any::<String>()) {
        let once = normalise_handle(&handle);
        prop_assert_eq!(normalise_handle(&once), once);
    }
}
