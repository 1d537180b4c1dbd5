//! Every provider client against a server on loopback which behaves well, badly and not at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its server must fail")]

#[path = "provider_http/format.rs"]
mod format;
#[path = "provider_http/server.rs"]
mod server;

use std::sync::Once;
use std::time::Duration;

use format::{ALL, Format};
use server::{Act, Server, head, header};
use telson_actors::provider::{
    Completion, Failure, FailureClass, HttpConfig, Request, Role, Secret, StopReason, TurnMessage,
    Usage,
};

const KEY: &str = "hush-hush-0123456789";
const IDLE: Duration = Duration::from_millis(200);
/// Every call has its limits; one that outlives this has lost them.
const STUCK: Duration = Duration::from_secs(10);

/// What one call has come to.
struct Outcome {
    result: Result<Completion, Failure>,
    /// What the sink was given.
    pieces: Vec<String>,
    /// What the server has read.
    requests: Vec<String>,
}

impl Outcome {
    fn failure(&self) -> &Failure {
        self.result.as_ref().unwrap_err()
    }
}

fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
}

fn config(base_url: String) -> HttpConfig {
    install_crypto();
    let mut config = HttpConfig::new(base_url);
    config.api_key = Some(Secret::new(KEY));
    config.connect_timeout = Duration::from_secs(2);
    config.idle_timeout = IDLE;
    config.total_timeout = Duration::from_secs(20);
    config
}

fn request() -> Request {
    Request {
        model: "m".to_owned(),
        system: "s".to_owned(),
        messages: vec![TurnMessage::text(Role::User, "hi")],
        tools: Vec::new(),
        may_call: true,
        must_call: false,
        output_tokens_max: 16,
    }
}

/// One call of a client with the given changes to its configuration.
async fn call_with(
    format: Format,
    script: Vec<Act>,
    change: impl FnOnce(&mut HttpConfig),
) -> Outcome {
    let mut server = Server::start(script).await;
    let mut config = config(format!("http://{}", server.address()));
    change(&mut config);
    let client = format.client(config).unwrap();
    let mut pieces = Vec::new();
    let mut sink = |text: &str| pieces.push(text.to_owned());
    let request = request();
    let result = tokio::select! {
        result = client.stream(&request, &mut sink) => result,
        () = server.serve() => unreachable!("the server never ends by itself"),
        () = tokio::time::sleep(STUCK) => panic!("a call has outlived its limits"),
    };
    Outcome { result, pieces, requests: server.requests }
}

async fn call(format: Format, script: Vec<Act>) -> Outcome {
    call_with(format, script, |_| {}).await
}

fn stream_head(format: Format) -> Act {
    Act::Send(head(200, &[("content-type", format.content_type())]))
}

fn send(text: impl AsRef<[u8]>) -> Act {
    Act::Send(text.as_ref().to_vec())
}

fn completion(text: &str) -> Completion {
    Completion { usage: Usage { input: 3, output: 2 }, ..Completion::text(text) }
}

/// The class of a failed call, and whether text had been seen by then.
fn told(outcome: &Outcome) -> (FailureClass, bool) {
    let failure = outcome.failure();
    assert_eq!(failure.output_started, !outcome.pieces.is_empty(), "{}", failure.message);
    assert!(!failure.message.contains(KEY), "{}", failure.message);
    (failure.class, failure.output_started)
}

#[tokio::test]
async fn a_stream_arrives_in_pieces() {
    for format in ALL {
        let body = [format.text("Hel"), format.text("lo 👍"), format.end()].concat();
        let outcome = call(format, vec![stream_head(format), send(body), Act::Hang]).await;
        assert_eq!(outcome.result, Ok(completion("Hello 👍")));
        assert_eq!(outcome.pieces, ["Hel", "lo 👍"]);
    }
}

#[tokio::test]
async fn a_request_is_posted_once_with_its_key() {
    for format in ALL {
        let body = [format.text("x"), format.end()].concat();
        let outcome = call_with(format, vec![stream_head(format), send(body)], |config| {
            config.headers.push(("x-team".to_owned(), "blue".to_owned()));
        })
        .await;
        let [request] = outcome.requests.as_slice() else { panic!("more than one attempt") };
        let (path, name, value) = format.address_and_key(KEY);
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert_eq!(header(request, name), Some(value.as_str()));
        assert_eq!(header(request, "content-type"), Some("application/json"));
        assert_eq!(header(request, "x-team"), Some("blue"));
        let version = (format == Format::Anthropic).then_some("2023-06-01");
        assert_eq!(header(request, "anthropic-version"), version);
        let body: serde_json::Value =
            serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        if format != Format::Gemini {
            // Gemini has both in its address.
            assert_eq!((&body["model"], &body["stream"]), (&"m".into(), &true.into()));
        }
        assert_eq!(body.pointer(format.output_limit()), Some(&16.into()));
    }
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    for format in ALL {
        let body = [format.text("é👍"), format.end()].concat();
        let mut script = vec![stream_head(format)];
        for byte in body.bytes() {
            script.push(Act::Repeat(vec![byte], Duration::from_millis(1), 1));
        }
        // The end mark follows the text within the allowed silence, one byte at a time.
        let patient = |config: &mut HttpConfig| config.idle_timeout = STUCK;
        let outcome = call_with(format, script, patient).await;
        assert_eq!(outcome.result, Ok(completion("é👍")));
    }
}

#[tokio::test]
async fn keep_alives_hold_a_call_open_and_are_not_output() {
    for format in ALL {
        // Together four times the allowed silence.
        let wait = Act::Repeat(format.keep_alive().into(), Duration::from_millis(50), 16);
        let body = [format.text("late"), format.end()].concat();
        let outcome = call(format, vec![stream_head(format), wait, send(body)]).await;
        assert_eq!(outcome.result, Ok(completion("late")));
        assert_eq!(outcome.pieces, ["late"]);
    }
}

#[tokio::test]
async fn a_plain_document_answers_a_request_for_a_stream() {
    for format in ALL {
        let head = Act::Send(head(200, &[("Content-Type", "Application/JSON")]));
        let outcome = call(format, vec![head, send(format.document("Hi"))]).await;
        assert_eq!(outcome.result, Ok(completion("Hi")));
        assert_eq!(outcome.pieces, ["Hi"]);
    }
}

#[tokio::test]
async fn statuses_become_classes() {
    let cases = [
        (401, "authentication_error", FailureClass::Auth),
        (402, "billing_error", FailureClass::Billing),
        (403, "permission_error", FailureClass::AuthPermanent),
        (404, "not_found_error", FailureClass::ModelNotFound),
        (429, "rate_limit_error", FailureClass::RateLimit),
        (500, "api_error", FailureClass::Server),
        (529, "overloaded_error", FailureClass::Overloaded),
    ];
    for format in ALL {
        for (status, kind, class) in cases {
            let body = format.error(kind, &format!("no: {KEY}"));
            let outcome = call(format, vec![Act::Send(head(status, &[])), send(body)]).await;
            assert_eq!(told(&outcome), (class, false));
            assert_eq!(outcome.failure().retry_after, None);
            let start = format!("the provider answered {status}: {kind}: no");
            assert!(outcome.failure().message.starts_with(&start));
            assert_eq!(outcome.requests.len(), 1, "one call is one attempt");
        }
    }
}

#[tokio::test]
async fn the_wish_for_a_pause_is_passed_on() {
    for format in ALL {
        let head = Act::Send(head(429, &[("Retry-After", "7")]));
        let outcome = call(format, vec![head, send("slow down")]).await;
        assert_eq!(told(&outcome), (FailureClass::RateLimit, false));
        assert_eq!(outcome.failure().retry_after, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn an_error_body_that_never_ends_still_has_its_class() {
    for format in ALL {
        let script = vec![Act::Send(head(401, &[])), send("{\"err"), Act::Hang];
        assert_eq!(told(&call(format, script).await), (FailureClass::Auth, false));
    }
}

#[tokio::test]
async fn silence_before_the_answer_is_a_timeout() {
    for format in ALL {
        let outcome = call_with(format, vec![Act::Hang], |config| {
            config.connect_timeout = Duration::from_millis(100);
        })
        .await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, false));
    }
}

#[tokio::test]
async fn silence_inside_the_answer_is_a_timeout() {
    for format in ALL {
        let outcome = call(format, vec![stream_head(format), Act::Hang]).await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, false));
        let outcome =
            call(format, vec![stream_head(format), send(format.text("a")), Act::Hang]).await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, true));
        let json = Act::Send(head(200, &[("content-type", "application/json")]));
        let outcome = call(format, vec![json, send("{"), Act::Hang]).await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, false));
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_cheat_the_limits() {
    for format in ALL {
        let slower_than_idle = Act::Drip(b"d".to_vec(), IDLE * 5);
        let outcome = call(format, vec![stream_head(format), slower_than_idle]).await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, false));

        let for_ever = Act::Drip(format.keep_alive().into(), Duration::from_millis(20));
        let script = vec![stream_head(format), send(format.text("a")), for_ever];
        let outcome = call_with(format, script, |config| {
            config.total_timeout = IDLE * 3;
        })
        .await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, true));
        assert!(outcome.failure().message.contains("was not done after 600ms"));
    }
}

#[tokio::test]
async fn a_server_that_never_finishes_tls_is_a_timeout() {
    for format in ALL {
        let outcome = call_with(format, vec![Act::Hang], |config| {
            config.base_url = config.base_url.replace("http://", "https://");
            config.connect_timeout = IDLE;
            config.idle_timeout = Duration::from_secs(10);
        })
        .await;
        assert_eq!(told(&outcome), (FailureClass::Timeout, false));
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_server_failure() {
    for format in ALL {
        let address = Server::start(Vec::new()).await.address();
        let outcome = call_with(format, Vec::new(), |config| {
            config.base_url = format!("http://{address}");
        })
        .await;
        assert_eq!(told(&outcome), (FailureClass::Server, false));
        assert!(outcome.failure().message.contains(&address.to_string()));
    }
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_a_server_failure() {
    for format in ALL {
        assert_eq!(told(&call(format, Vec::new()).await), (FailureClass::Server, false));
    }
}

#[tokio::test]
async fn an_answer_cut_in_a_token_is_a_server_failure() {
    for format in ALL {
        let second = format.text("never whole 👍");
        let cut_in_text = second.find('👍').unwrap() + 2;
        let half = &second.as_bytes()[..cut_in_text];
        let script = vec![stream_head(format), send(format.text("a")), send(half)];
        let outcome = call(format, script).await;
        assert_eq!(told(&outcome), (FailureClass::Server, true));
        assert!(outcome.failure().message.contains("cut mid-answer"));
        assert_eq!(outcome.pieces, ["a"]);

        let outcome = call(format, vec![stream_head(format), send(half)]).await;
        assert_eq!(told(&outcome), (FailureClass::Server, false));
    }
}

#[tokio::test]
async fn a_body_shorter_than_promised_is_a_server_failure() {
    for format in ALL {
        let kinds =
            [(format.content_type(), format.text("a")), ("application/json", "{".to_owned())];
        for (kind, body) in kinds {
            let head = head(200, &[("content-type", kind), ("content-length", "100000")]);
            let outcome = call(format, vec![Act::Send(head), send(body)]).await;
            assert_eq!(told(&outcome).0, FailureClass::Server);
            assert!(outcome.failure().message.contains("cut mid-answer"));
        }
    }
}

#[tokio::test]
async fn a_missing_epilogue_does_not_spoil_a_whole_text() {
    let format = Format::OpenAi;
    let whole = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    let whole = format!("data: {whole}\n\n");
    let keep_alive = Act::Drip(b":\n".to_vec(), Duration::from_millis(20));
    for end in [vec![], vec![Act::Hang], vec![keep_alive]] {
        let script = [vec![stream_head(format), send(&whole)], end].into_iter().flatten().collect();
        let outcome = call(format, script).await;
        assert_eq!(outcome.result.unwrap().plain(), "a");
    }
}

#[tokio::test]
async fn a_message_without_its_stop_is_cut() {
    let format = Format::Anthropic;
    let end = format.end();
    let (before_stop, _) = end.split_once("event: message_stop").unwrap();
    let script = vec![stream_head(format), send(format.text("a")), send(before_stop)];
    assert_eq!(told(&call(format, script).await), (FailureClass::Server, true));
}

#[tokio::test]
async fn errors_inside_a_stream_have_their_class() {
    for format in ALL {
        let error: serde_json::Value =
            serde_json::from_str(&format.error("overloaded_error", KEY)).unwrap();
        let error = format.event(&match format {
            Format::Anthropic => error,
            Format::Responses => serde_json::json!({"type": "response.failed", "response": error}),
            Format::OpenAi | Format::Gemini | Format::Ollama => {
                serde_json::json!({"error": error["error"]})
            }
        });
        let outcome = call(format, vec![stream_head(format), send(&error)]).await;
        assert_eq!(told(&outcome), (FailureClass::Overloaded, false));
        let outcome =
            call(format, vec![stream_head(format), send(format.text("a")), send(&error)]).await;
        assert_eq!(told(&outcome), (FailureClass::Overloaded, true));
    }
}

#[tokio::test]
async fn an_error_document_with_a_good_status_has_its_class() {
    for format in ALL {
        let head = Act::Send(head(200, &[("content-type", "application/json")]));
        let outcome = call(format, vec![head, send(format.error("rate_limit_error", "m"))]).await;
        assert_eq!(told(&outcome), (FailureClass::RateLimit, false));
    }
}

#[tokio::test]
async fn broken_json_is_a_format_failure() {
    for format in ALL {
        let outcome = call(format, vec![stream_head(format), send(format.framed("{oops"))]).await;
        assert_eq!(told(&outcome), (FailureClass::Format, false));
        let json = || Act::Send(head(200, &[("content-type", "application/json")]));
        for body in ["{oops", "{}", ""] {
            let outcome = call(format, vec![json(), send(body)]).await;
            assert_eq!(told(&outcome), (FailureClass::Format, false), "{body}");
        }
        let outcome = call(format, vec![stream_head(format), send(b"data: \xff\xff\n\n")]).await;
        assert_eq!(told(&outcome), (FailureClass::Format, false));
    }
}

#[tokio::test]
async fn another_content_type_is_a_format_failure_which_names_it() {
    for format in ALL {
        let html = Act::Send(head(200, &[("content-type", "text/html; charset=utf-8")]));
        let outcome = call(format, vec![html, send("<html>")]).await;
        assert_eq!(told(&outcome), (FailureClass::Format, false));
        assert!(outcome.failure().message.contains("text/html"));
        let outcome = call(format, vec![Act::Send(head(200, &[])), send(format.end())]).await;
        assert_eq!(told(&outcome), (FailureClass::Format, false));
    }
}

#[tokio::test]
async fn an_empty_answer_is_a_failure() {
    for format in ALL {
        let outcome = call(format, vec![stream_head(format), send(format.end())]).await;
        assert_eq!(told(&outcome), (FailureClass::EmptyResponse, false));
        let json = Act::Send(head(200, &[("content-type", "application/json")]));
        let outcome = call(format, vec![json, send(format.document(""))]).await;
        assert_eq!(told(&outcome), (FailureClass::EmptyResponse, false));
        assert_ne!(outcome.failure().usage, Usage::default(), "{format:?} is paid all the same");
    }
}

#[tokio::test]
async fn a_refusal_without_text_is_a_failure_and_with_text_an_answer() {
    for format in ALL.into_iter().filter(|format| *format != Format::Ollama) {
        let outcome = call(format, vec![stream_head(format), send(format.refusal())]).await;
        assert_eq!(told(&outcome), (FailureClass::Unclassified, false));
        assert!(outcome.failure().message.contains("refusal"));
        let body = [format.text("I cannot"), format.refusal()].concat();
        let completion = call(format, vec![stream_head(format), send(body)]).await.result.unwrap();
        assert_eq!(
            (completion.plain().as_str(), completion.stop),
            ("I cannot", StopReason::Refusal)
        );
    }
}

#[tokio::test]
async fn an_oversize_answer_is_refused() {
    for format in ALL {
        let limit = |config: &mut HttpConfig| config.response_bytes_max = 1000;
        let long = format.text("x").repeat(200);
        let outcome = call_with(format, vec![stream_head(format), send(&long)], limit).await;
        assert_eq!(told(&outcome).0, FailureClass::Format);
        assert!(outcome.failure().message.contains("1000 bytes"));
        let json = Act::Send(head(200, &[("content-type", "application/json")]));
        let outcome = call_with(format, vec![json, send(format.document(&long))], limit).await;
        assert_eq!(told(&outcome), (FailureClass::Format, false));
        assert!(outcome.failure().message.contains("1000 bytes"));
    }
}

#[tokio::test]
async fn a_redirect_takes_the_key_nowhere() {
    for format in ALL {
        let mut elsewhere = Server::start(Vec::new()).await;
        let location = format!("http://{}/", elsewhere.address());
        let head = Act::Send(head(307, &[("location", &location), ("content-length", "0")]));
        let outcome = tokio::select! {
            outcome = call(format, vec![head]) => outcome,
            () = elsewhere.serve() => unreachable!("the server never ends by itself"),
        };
        assert_eq!(told(&outcome), (FailureClass::Unclassified, false));
        assert!(elsewhere.requests.is_empty());
    }
}
