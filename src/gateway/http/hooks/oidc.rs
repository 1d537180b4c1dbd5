//! The signed identity that Pub/Sub puts into `Authorization`: a JWT of Google, by RS256. Pure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

/// Who signs.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far clocks may be apart, in seconds.
const SKEW_SECONDS: i64 = 60;
/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 8192;
/// Most keys of one answer.
const KEYS_MAX: usize = 100;
/// Bounds of how long keys are kept, whatever their answer says.
const KEPT_MIN: Duration = Duration::from_mins(1);
const KEPT_MAX: Duration = Duration::from_hours(24);

/// A token, taken apart and not believed yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// The key it names.
    pub(super) key_id: String,
    /// What is signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
    claims: Value,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Who may push.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) audience: &'a str,
    pub(super) email: &'a str,
}

/// Whether this looks like a signed identity, and not like a token of ours.
pub(super) fn is_meant(bearer: &str) -> bool {
    bearer.split('.').count() == 3
}

/// Takes a token apart.
///
/// # Errors
/// It is none that can be checked.
pub(super) fn read(bearer: &str) -> Result<Token, String> {
    let parts: Vec<&str> = bearer.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Err("it is no JWT".into()) };
    if bearer.len() > TOKEN_BYTES_MAX {
        return Err("it is too long".into());
    }
    let head = json(header)?;
    // What names its own algorithm is not asked which one to use.
    if head["alg"] != "RS256" {
        return Err("it is not signed with RS256".into());
    }
    if head.get("crit").is_some() {
        return Err("it demands what is not known here".into());
    }
    let key_id = head["kid"].as_str().ok_or("it names no key")?.to_owned();
    Ok(Token {
        key_id,
        signed: format!("{header}.{claims}").into_bytes(),
        signature: bytes(signature)?,
        claims: json(claims)?,
    })
}

/// Judges a token by a key and by what it says; `now` in seconds.
///
/// # Errors
/// Why it is not right, without anything of what would be.
pub(super) fn check(
    token: &Token,
    key: &Key,
    expected: Expected<'_>,
    now: i64,
) -> Result<(), &'static str> {
    let components = RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent };
    let signed = components.verify(&RSA_PKCS1_2048_8192_SHA256, &token.signed, &token.signature);
    signed.map_err(|_| "its signature is wrong")?;
    let claims = &token.claims;
    if !claims["iss"].as_str().is_some_and(|issuer| ISSUERS.contains(&issuer)) {
        return Err("Google has not issued it");
    }
    let is_for_us = match &claims["aud"] {
        Value::String(audience) => audience == expected.audience,
        Value::Array(all) => all.iter().any(|audience| audience == expected.audience),
        _ => false,
    };
    if !is_for_us {
        return Err("it is for another audience");
    }
    if claims["email"] != expected.email {
        return Err("it is of another account");
    }
    if claims["email_verified"] != true {
        return Err("its account is not verified");
    }
    let second = |claim: &str| claims[claim].as_i64();
    if second("exp").is_none_or(|end| end.saturating_add(SKEW_SECONDS) <= now) {
        return Err("it has expired");
    }
    let early = |at: i64| at.saturating_sub(SKEW_SECONDS) > now;
    if second("iat").is_some_and(early) || second("nbf").is_some_and(early) {
        return Err("it is not valid yet");
    }
    Ok(())
}

/// The RSA keys of a JWKS document; keys of other kinds are left out.
///
/// # Errors
/// It is none, or holds no such key.
pub(super) fn keys(document: &[u8]) -> Result<Vec<Key>, String> {
    let document: Value =
        serde_json::from_slice(document).map_err(|_| "the answer is no JSON".to_owned())?;
    let all = document["keys"].as_array().ok_or("the answer holds no `keys`")?;
    let read = |key: &Value| {
        let is_fit = key["kty"] == "RSA"
            && (key["use"].is_null() || key["use"] == "sig")
            && (key["alg"].is_null() || key["alg"] == "RS256");
        let part = |name: &str| bytes(key[name].as_str()?).ok();
        let id = key["kid"].as_str()?.to_owned();
        is_fit.then_some(())?;
        Some(Key { id, modulus: part("n")?, exponent: part("e")? })
    };
    let keys: Vec<Key> = all.iter().take(KEYS_MAX).filter_map(read).collect();
    if keys.is_empty() { Err("the answer holds no key for RS256".into()) } else { Ok(keys) }
}

/// How long an answer may be kept, by its `Cache-Control`.
pub(super) fn max_age(cache_control: Option<&str>) -> Duration {
    let mut parts = cache_control.unwrap_or_default().split(',').map(str::trim);
    let seconds = parts.find_map(|part| part.strip_prefix("max-age=")?.parse().ok());
    seconds.map_or(KEPT_MIN, Duration::from_secs).clamp(KEPT_MIN, KEPT_MAX)
}

fn json(part: &str) -> Result<Value, String> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| "it holds no JSON".into())
}

fn bytes(part: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|_| "it is no base64".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn coded(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    #[test]
    fn what_can_not_be_checked_is_refused_before_any_key_is_looked_for() {
        let claims = coded(&json!({}));
        let with = |head: &Value| read(&format!("{}.{claims}.c2ln", coded(head)));
        assert_eq!(with(&json!({"alg": "RS256", "kid": "k"})).unwrap().key_id, "k");
        for (head, part) in [
            (json!({"alg": "none", "kid": "k"}), "RS256"),
            (json!({"alg": "HS256", "kid": "k"}), "RS256"),
            (json!({"kid": "k"}), "RS256"),
            (json!({"alg": "RS256"}), "names no key"),
            (json!({"alg": "RS256", "kid": "k", "crit": ["x"]}), "demands"),
        ] {
            let told = with(&head).unwrap_err();
            assert!(told.contains(part), "{head}: {told}");
        }
        assert!(read("a.b").is_err() && read("").is_err() && read("%.%.%").is_err());
        assert!(read(&"x.".repeat(9000)).is_err());
    }

    #[test]
    fn answers_are_kept_as_long_as_they_say_within_bounds() {
        assert_eq!(max_age(Some("public, max-age=3600, must-revalidate")).as_secs(), 3600);
        assert_eq!(max_age(None), KEPT_MIN);
        assert_eq!(max_age(Some("no-store")), KEPT_MIN);
        assert_eq!(max_age(Some("max-age=99999999999")), KEPT_MAX);
    }

    #[test]
    fn only_keys_that_can_sign_are_taken() {
        let good = json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "RS256"});
        let other = json!({"kty": "EC", "kid": "b", "n": "AQAB", "e": "AQAB"});
        let found = keys(json!({"keys": [other.clone(), good]}).to_string().as_bytes()).unwrap();
        assert_eq!(found.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["a"]);
        for bad in [json!({}), json!({"keys": []}), json!({"keys": [other]}), json!([])] {
            assert!(keys(bad.to_string().as_bytes()).is_err(), "{bad}");
        }
        assert!(keys(b"<html>").is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_panics(text in "[ -~]{0,80}", bytes: Vec<u8>) {
            drop(read(&text));
            prop_assert!(max_age(Some(&text)) >= KEPT_MIN);
            prop_assert!(keys(&bytes).is_err());
        }
    }
}
