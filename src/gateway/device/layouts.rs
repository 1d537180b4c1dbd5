//! Layouts of the records of devices that older versions of the program wrote.

use serde::{Deserialize, Serialize};
use telson_actors::store::codec::older;

use super::{DeviceRecord, Portrait, Retiring, TokenRecord};

/// A device of an older layout.
pub(super) fn older_device(version: u8, payload: &[u8]) -> Option<DeviceRecord> {
    match version {
        1 => older::<DeviceLayout<TokenRecordV1>>(payload).map(DeviceRecord::from),
        2 => older::<DeviceLayout<TokenRecordV2>>(payload).map(DeviceRecord::from),
        _ => None,
    }
}

/// What has changed so far is what is kept of tokens.
#[derive(Serialize, Deserialize)]
struct DeviceLayout<T> {
    portrait: Portrait,
    label: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    approved_via: String,
    approved_by: Option<String>,
    created_at: i64,
    approved_at: i64,
    seen_at: i64,
    tokens: Vec<T>,
}

/// When only the token before was good, and none before that.
#[derive(Serialize, Deserialize)]
struct TokenRecordV2 {
    role: String,
    scopes: Vec<String>,
    fingerprint: Option<[u8; 32]>,
    retiring: Option<[u8; 32]>,
    created_at: i64,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl<T: Into<TokenRecord>> From<DeviceLayout<T>> for DeviceRecord {
    fn from(old: DeviceLayout<T>) -> Self {
        Self {
            portrait: old.portrait,
            label: old.label,
            roles: old.roles,
            scopes: old.scopes,
            approved_via: old.approved_via,
            approved_by: old.approved_by,
            created_at: old.created_at,
            approved_at: old.approved_at,
            seen_at: old.seen_at,
            tokens: old.tokens.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<TokenRecordV2> for TokenRecord {
    fn from(old: TokenRecordV2) -> Self {
        let since = old.rotated_at.unwrap_or(old.created_at);
        let retiring = old.retiring.map(|fingerprint| Retiring { fingerprint, since });
        Self {
            role: old.role,
            scopes: old.scopes,
            fingerprint: old.fingerprint,
            retiring: retiring.into_iter().collect(),
            created_at: old.created_at,
            rotated_at: old.rotated_at,
            revoked_at: old.revoked_at,
        }
    }
}

/// When a token that was replaced was good no more at once.
#[derive(Serialize, Deserialize)]
struct TokenRecordV1 {
    role: String,
    scopes: Vec<String>,
    fingerprint: Option<[u8; 32]>,
    created_at: i64,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<TokenRecordV1> for TokenRecord {
    fn from(old: TokenRecordV1) -> Self {
        Self {
            role: old.role,
            scopes: old.scopes,
            fingerprint: old.fingerprint,
            retiring: Vec::new(),
            created_at: old.created_at,
            rotated_at: old.rotated_at,
            revoked_at: old.revoked_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use telson_actors::store::codec::{decode, encode};
    use telson_actors::store::{Key, Record, Space};

    use super::*;

    impl Record for DeviceLayout<TokenRecordV1> {
        const VERSION: u8 = 1;
    }

    impl Record for DeviceLayout<TokenRecordV2> {
        const VERSION: u8 = 2;
    }

    fn portrait() -> Portrait {
        Portrait {
            device_id: "own".into(),
            public_key: "key".into(),
            display_name: None,
            platform: "ios".into(),
            device_family: None,
            client_id: "openclaw-ios".into(),
            client_mode: "ui".into(),
        }
    }

    #[test]
    fn a_device_of_before_keeps_its_token() {
        let token = TokenRecordV1 {
            role: "operator".into(),
            scopes: vec!["operator.read".into()],
            fingerprint: Some([7; 32]),
            created_at: 1,
            rotated_at: Some(2),
            revoked_at: None,
        };
        let old = DeviceLayout {
            portrait: portrait(),
            label: Some("mine".into()),
            roles: vec!["operator".into()],
            scopes: vec!["operator.read".into()],
            approved_via: "setup-code".into(),
            approved_by: None,
            created_at: 1,
            approved_at: 1,
            seen_at: 3,
            tokens: vec![token],
        };
        let key = Key::of(Space::Device).text("own");
        let bytes = encode(&key, &old);
        let read: DeviceRecord = decode(&key, &bytes).unwrap();
        assert_eq!((read.label.as_deref(), read.seen_at), (Some("mine"), 3));
        assert_eq!(read.tokens[0].fingerprint, Some([7; 32]));
        assert!(read.tokens[0].retiring.is_empty());
        assert_eq!(DeviceRecord::from_older(0, &bytes), None);
    }

    #[test]
    fn a_device_whose_token_was_replaced_before_keeps_the_old_one() {
        for retiring in [None, Some([6; 32])] {
            let token = TokenRecordV2 {
                role: "operator".into(),
                scopes: Vec::new(),
                fingerprint: None,
                retiring,
                created_at: 1,
                rotated_at: Some(2),
                revoked_at: None,
            };
            let old = DeviceLayout {
                portrait: portrait(),
                label: None,
                roles: vec!["operator".into()],
                scopes: Vec::new(),
                approved_via: "owner".into(),
                approved_by: Some("me".into()),
                created_at: 1,
                approved_at: 2,
                seen_at: 3,
                tokens: vec![token],
            };
            let key = Key::of(Space::Device).text("own");
            let read: DeviceRecord = decode(&key, &encode(&key, &old)).unwrap();
            let kept = retiring.map(|fingerprint| Retiring { fingerprint, since: 2 });
            assert_eq!(read.tokens[0].retiring, Vec::from_iter(kept));
            assert_eq!((read.approved_by.as_deref(), read.seen_at), (Some("me"), 3));
        }
    }
}
