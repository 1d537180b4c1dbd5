//! Who guesses a secret has to wait, however it guesses; others do not.

use serde_json::{Value, json};

use crate::kit::{Device, Gateway, TOKEN, connect, refused, scopes};

async fn guess(gateway: &Gateway, headers: &[(&str, &str)], auth: Value) -> Value {
    let mut client = gateway.knock_with(headers).await.unwrap();
    let mut params = connect("cli", "cli", &["operator.read"]);
    params["auth"] = auth;
    client.connect_as(&Device::new(1), params).await
}

#[tokio::test]
async fn an_address_that_guesses_has_to_wait_and_no_other() {
    let gateway = Gateway::behind_a_proxy();
    let from = |address: &'static str| [("x-forwarded-for", address)];
    for n in 0..10 {
        // A second secret beside it hides nothing.
        let auth = json!({"token": format!("guess-{n}"), "deviceToken": "bogus"});
        let answer = guess(&gateway, &from("203.0.113.1"), auth).await;
        assert_eq!(refused(&answer), "AUTH_TOKEN_MISMATCH", "{n}: {answer}");
    }
    // Even the right one is not looked at any more.
    for token in [TOKEN, "wrong"] {
        let answer = guess(&gateway, &from("203.0.113.1"), json!({"token": token})).await;
        assert_eq!(refused(&answer), "AUTH_RATE_LIMITED", "{answer}");
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!("INVALID_REQUEST"), &json!(true))
        );
        let wait = error["retryAfterMs"].as_u64().unwrap();
        assert!((1..=300_000).contains(&wait), "{wait}");
    }
    let other = guess(&gateway, &from("203.0.113.2"), json!({"token": TOKEN})).await;
    assert_eq!(refused(&other), "PAIRING_REQUIRED", "another address is let in as before");
    // Missing secrets are no guesses.
    for _ in 0..12 {
        let answer = guess(&gateway, &from("203.0.113.3"), json!({})).await;
        assert_eq!(refused(&answer), "AUTH_TOKEN_MISSING");
    }
    // Guesses of another kind are counted by themselves.
    for _ in 0..10 {
        guess(&gateway, &from("203.0.113.4"), json!({"deviceToken": "bogus"})).await;
    }
    let answer = guess(&gateway, &from("203.0.113.4"), json!({"deviceToken": "bogus"})).await;
    assert_eq!(refused(&answer), "AUTH_RATE_LIMITED");
    let answer = guess(&gateway, &from("203.0.113.4"), json!({"token": TOKEN})).await;
    assert_eq!(refused(&answer), "PAIRING_REQUIRED", "{answer}");
}

#[tokio::test]
async fn a_page_on_this_machine_is_never_exempt_and_a_program_is() {
    let gateway = Gateway::start();
    let own = format!("http://127.0.0.1:{}", gateway.port);
    let page = [("origin", own.as_str())];
    for n in 0..11 {
        let answer = guess(&gateway, &page, json!({"token": format!("guess-{n}")})).await;
        let expected = if n < 10 { "AUTH_TOKEN_MISMATCH" } else { "AUTH_RATE_LIMITED" };
        assert_eq!(refused(&answer), expected, "{n}");
    }
    for n in 0..15 {
        let answer = guess(&gateway, &[], json!({"token": format!("guess-{n}")})).await;
        assert_eq!(refused(&answer), "AUTH_TOKEN_MISMATCH");
    }
    assert_eq!(scopes(&guess(&gateway, &[], json!({"token": TOKEN})).await), ["operator.read"]);
}

#[tokio::test]
async fn a_program_of_this_machine_has_to_wait_where_that_is_wanted() {
    let gateway = Gateway::with(&format!(
        "{{gateway: {{auth: {{token: '{TOKEN}', rateLimit: {{maxAttempts: 3, exemptLoopback: false}}}}}}}}"
    ));
    for n in 0..4 {
        let answer = guess(&gateway, &[], json!({"token": "guess"})).await;
        let expected = if n < 3 { "AUTH_TOKEN_MISMATCH" } else { "AUTH_RATE_LIMITED" };
        assert_eq!(refused(&answer), expected, "{n}");
    }
}

// CVE-2026-28472: that a secret is there says nothing.
#[tokio::test]
async fn no_mixture_of_wrong_secrets_is_right() {
    let gateway = Gateway::start();
    let wrong = [
        json!(null),
        json!(""),
        json!(" "),
        json!("wrong"),
        json!(TOKEN[..TOKEN.len() - 1]),
        json!(format!("{TOKEN} ")),
        json!(TOKEN.to_uppercase()),
    ];
    for token in &wrong {
        for other in &wrong {
            let auth = json!({
                "token": token, "password": TOKEN, "deviceToken": other, "bootstrapToken": other,
            });
            for with_device in [true, false] {
                let mut client = gateway.knock().await;
                let mut params = connect("cli", "cli", &["operator.admin"]);
                params["auth"] = auth.clone();
                let answer = if with_device {
                    client.connect_as(&Device::new(1), params).await
                } else {
                    client.connect(params).await
                };
                assert_eq!(answer["ok"], false, "{auth}: {answer}");
            }
        }
    }
}
