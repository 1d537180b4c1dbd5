//! Every status, the documented error types, and the arithmetic of retries.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const CLASSES: [FailureClass; 12] = [
    FailureClass::Auth,
    FailureClass::AuthPermanent,
    FailureClass::RateLimit,
    FailureClass::Overloaded,
    FailureClass::Billing,
    FailureClass::Timeout,
    FailureClass::Server,
    FailureClass::Format,
    FailureClass::ModelNotFound,
    FailureClass::ContextOverflow,
    FailureClass::EmptyResponse,
    FailureClass::Unclassified,
];

const RETRYABLE: [FailureClass; 4] = [
    FailureClass::Timeout,
    FailureClass::Server,
    FailureClass::Overloaded,
    FailureClass::RateLimit,
];

fn class(status: u16, body: &str) -> FailureClass {
    classify(status, body, None).class
}

fn typed(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}

fn coded(code: &str) -> String {
    json!({"error": {"code": code, "type": "invalid_request_error", "message": "m"}}).to_string()
}

#[test]
fn every_status_has_its_class() {
    for status in 0..=u16::MAX {
        let expected = match status {
            400 | 405 | 406 | 411 | 414 | 415 | 422 => FailureClass::Format,
            401 => FailureClass::Auth,
            402 => FailureClass::Billing,
            403 => FailureClass::AuthPermanent,
            404 => FailureClass::ModelNotFound,
            408 => FailureClass::Timeout,
            413 => FailureClass::ContextOverflow,
            429 => FailureClass::RateLimit,
            529 => FailureClass::Overloaded,
            0..=299 | 500..=599 => FailureClass::Server,
            _ => FailureClass::Unclassified,
        };
        assert_eq!(class(status, ""), expected, "{status}");
    }
}

#[test]
fn specific_codes_outrank_the_status() {
    let cases = [
        (400, "context_length_exceeded", FailureClass::ContextOverflow),
        (429, "insufficient_quota", FailureClass::Billing),
        (403, "model_not_found", FailureClass::ModelNotFound),
        (503, "slow_down", FailureClass::Overloaded),
        (401, "account_deactivated", FailureClass::AuthPermanent),
        (429, "rate_limit_exceeded", FailureClass::RateLimit),
        (413, "rate_limit_exceeded", FailureClass::ContextOverflow),
        (401, "invalid_api_key", FailureClass::Auth),
    ];
    for (status, code, expected) in cases {
        assert_eq!(class(status, &coded(code)), expected, "{status} {code}");
    }
}

#[test]
fn types_decide_in_the_middle_of_a_stream() {
    let cases = [
        ("overloaded_error", FailureClass::Overloaded),
        ("rate_limit_error", FailureClass::RateLimit),
        ("authentication_error", FailureClass::Auth),
        ("permission_error", FailureClass::AuthPermanent),
        ("not_found_error", FailureClass::ModelNotFound),
        ("billing_error", FailureClass::Billing),
        ("timeout_error", FailureClass::Timeout),
        ("api_error", FailureClass::Server),
        ("invalid_request_error", FailureClass::Format),
        ("something_new", FailureClass::Server),
    ];
    for (kind, expected) in cases {
        assert_eq!(class(200, &typed(kind, "m")), expected, "{kind}");
    }
}

#[test]
fn a_number_in_a_streamed_error_is_the_status_of_the_server_behind() {
    assert_eq!(class(200, r#"{"error":{"code":429,"message":"m"}}"#), FailureClass::RateLimit);
    assert_eq!(class(200, r#"{"object":"error","code":400,"message":"m"}"#), FailureClass::Format);
    assert_eq!(class(500, r#"{"error":{"code":429,"message":"m"}}"#), FailureClass::Server);
}

#[test]
fn documented_openings_count_in_a_400_and_nowhere_else() {
    let kind = "invalid_request_error";
    let long = typed(kind, "prompt is too long: 210000 tokens > 200000 maximum");
    let poor = typed(kind, "Your credit balance is too low to access the Anthropic API.");
    let quoted = typed(kind, "messages.0: you wrote \"prompt is too long\"");
    assert_eq!(class(400, &long), FailureClass::ContextOverflow);
    assert_eq!(class(400, &poor), FailureClass::Billing);
    assert_eq!(class(400, &quoted), FailureClass::Format);
    assert_eq!(class(500, &long), FailureClass::Server);
}

#[test]
fn the_message_names_status_type_and_text() {
    assert_eq!(
        classify(429, &typed("rate_limit_error", "slow\ndown"), None).message,
        "the provider answered 429: rate_limit_error: slow down"
    );
    assert_eq!(classify(502, "", None).message, "the provider answered 502: no further words");
    assert_eq!(
        classify(404, r#"{"error":"model 'x' not found"}"#, None).message,
        "the provider answered 404: model 'x' not found"
    );
    assert_eq!(
        classify(429, r#"[{"error":{"code":429,"message":"quota"}}]"#, None).message,
        "the provider answered 429: quota"
    );
}

#[test]
fn retry_after_is_read_in_whole_seconds() {
    let read = |header| classify(429, "", header).retry_after;
    assert_eq!(read(None), None);
    assert_eq!(read(Some(" 7 ")), Some(Duration::from_secs(7)));
    assert_eq!(read(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    assert_eq!(read(Some("-1")), None);
    assert_eq!(read(Some("")), None);
    assert_eq!(read(Some("99999999999999999999999")), Some(RETRY_AFTER_MAX));
}

#[test]
fn pauses_double_and_end() {
    let failure = failure(FailureClass::Server, "");
    let pauses: Vec<_> = (0..=5).map(|attempt| retry_delay(attempt, &failure, 0.0)).collect();
    let secs = |n| Some(Duration::from_secs(n));
    assert_eq!(pauses, [None, secs(1), secs(2), secs(4), None, None]);
    assert_eq!(retry_delay(3, &failure, 1.0), Some(Duration::from_millis(4400)));
    assert_eq!(retry_delay(1, &failure, f64::NAN), secs(1));
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let class = proptest::sample::select(CLASSES.to_vec());
    let wish = proptest::option::of((0_u64..7200).prop_map(Duration::from_secs));
    (class, wish, any::<bool>()).prop_map(|(class, retry_after, output_started)| Failure {
        class,
        message: String::new(),
        retry_after,
        output_started,
        usage: Usage::default(),
    })
}

proptest! {
    #[test]
    fn any_answer_gives_a_short_clean_failure(
        status: u16,
        body in "(?s).{0,900}",
        header in proptest::option::of(".{0,40}"),
    ) {
        let failure = classify(status, &body, header.as_deref());
        prop_assert!(failure.message.chars().count() <= BODY_CHARS_MAX + 40);
        prop_assert!(!failure.message.contains(char::is_control));
        prop_assert!(failure.retry_after.is_none_or(|wish| wish <= RETRY_AFTER_MAX));
        prop_assert!(!failure.output_started);
    }

    #[test]
    fn prose_never_decides(status in 401_u16..600, message in "[a-z0-9 _]{0,80}") {
        prop_assert_eq!(class(status, &message), class(status, ""));
        let body = json!({"error": {"message": message}}).to_string();
        prop_assert_eq!(class(status, &body), class(status, ""));
    }

    #[test]
    fn whole_seconds_are_honoured_up_to_the_limit(secs: u64) {
        let wish = classify(429, "", Some(&secs.to_string())).retry_after;
        prop_assert_eq!(wish, Some(Duration::from_secs(secs).min(RETRY_AFTER_MAX)));
    }

    #[test]
    fn keys_are_never_repeated(
        before in "[a-z :\"]{0,20}",
        key in "[A-Za-z0-9_-]{24,48}",
        pad in 0_usize..320,
    ) {
        // The padding moves the key over the edge where the text is cut.
        let text = format!("{}{before} {key}", "x".repeat(pad));
        let body = json!({"error": {"type": "authentication_error", "message": text}}).to_string();
        let secrets = [Secret::new(key.clone())];
        for body in [body, text] {
            let known = classify_hiding(401, &body, None, &secrets).message;
            prop_assert!(!known.contains(&key[..8]) || before.contains(&key[..8]));
        }
        let unknown = classify(401, &format!("refused: 'sk-{key}'"), None).message;
        prop_assert!(!unknown.contains(&key));
    }

    #[test]
    fn nothing_is_retried_after_output(failure in any_failure(), attempt: u32, jitter: f64) {
        let retryable = is_retryable(&failure);
        let momentary = RETRYABLE.contains(&failure.class);
        prop_assert_eq!(retryable, momentary && !failure.output_started);
        prop_assert!(retryable || retry_delay(attempt, &failure, jitter).is_none());
    }

    #[test]
    fn pauses_stay_in_their_bounds(
        any in any_failure(),
        class in proptest::sample::select(RETRYABLE.to_vec()),
        attempt: u32,
        jitter: f64,
    ) {
        let failure = Failure { class, output_started: false, ..any };
        prop_assert!(is_retryable(&failure));
        let wish = failure.retry_after.unwrap_or_default();
        let small = attempt % 6;
        for attempt in [attempt, small] {
            let allowed = (1..=RETRIES_MAX).contains(&attempt) && wish <= RETRY_AFTER_SLEPT_MAX;
            let pause = retry_delay(attempt, &failure, jitter);
            prop_assert_eq!(pause.is_some(), allowed);
            if let Some(pause) = pause {
                let base = Duration::from_secs(1 << (attempt - 1));
                prop_assert!(pause >= base.max(wish));
                prop_assert!(pause <= base.mul_f64(1.1).max(wish));
            }
        }
    }
}

// As LiteLLM's proxy answers a wrong key when it runs without a database.
#[test]
fn a_proxy_that_can_not_look_up_a_key_has_refused_it() {
    let body = r#"{"error":{"message":"No connected db.","type":"no_db_connection","code":"400"}}"#;
    assert_eq!(class(400, body), FailureClass::Auth);
}
