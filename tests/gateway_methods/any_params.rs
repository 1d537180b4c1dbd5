//! Whatever comes as parameters of whatever method: an answer comes in time, in the form the protocol
//! says, and nothing panics.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::client::{Client, serve};
use super::kit::Home;
use super::programs::{Programs, text};

/// Parameters tried with every method.
const ROUNDS: usize = 16;
/// Names that are taken out again at most, one for each refusal.
const TAKEN_OUT_MAX: usize = 8;
/// How long an answer may take. Far above what is normal, because test machines are busy.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// The form of every frame, as the protocol's own package says it.
const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openclaw/check_frames.cjs");
/// What would end the connection or the service under test; their own tests call them.
const ENDING: [&str; 3] = ["gateway.restart.request", "gateway.suspend.prepare", "secrets.reload"];
/// Names that parameters have.
const NAMES: [&str; 56] = [
    "key",
    "sessionKey",
    "agentId",
    "message",
    "idempotencyKey",
    "limit",
    "offset",
    "id",
    "jobId",
    "name",
    "params",
    "path",
    "raw",
    "baseHash",
    "channel",
    "accountId",
    "account",
    "code",
    "person",
    "query",
    "days",
    "startDate",
    "endDate",
    "requestId",
    "deviceId",
    "nodeId",
    "role",
    "scopes",
    "label",
    "enabled",
    "mode",
    "text",
    "model",
    "workspace",
    "emoji",
    "timeoutMs",
    "timeout",
    "runId",
    "messageId",
    "cursor",
    "maxChars",
    "keys",
    "archived",
    "pinned",
    "search",
    "patch",
    "schedule",
    "payload",
    "command",
    "to",
    "threadId",
    "attachments",
    "content",
    "args",
    "after",
    "deliver",
];
/// Texts that mean something somewhere.
const WORDS: [&str; 16] = [
    "",
    "main",
    "agent:main:main",
    "global",
    "agent:main:a:b",
    "agent:nobody:x",
    "agents.defaults",
    "../../etc/passwd",
    "force",
    "now",
    "operator",
    "AGENTS.md",
    "/stop",
    "\u{0}",
    "2026-01-31",
    "d7",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        // Times are among these numbers: none that is allowed is longer than a moment.
        prop::sample::select(vec![
            json!(-1),
            json!(0),
            json!(1),
            json!(20),
            json!(1.5),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e300)
        ]),
        prop::sample::select(WORDS.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z]{2000}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(NAMES.to_vec());
    prop::collection::vec((name, inner), 0..7).prop_map(|pairs| {
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        Value::Object(pairs.collect::<Map<_, _>>())
    })
}

fn params() -> impl Strategy<Value = Value> {
    prop_oneof![9 => object(value()), 1 => value()]
}

/// One call, judged: the frames that answer it, and the name that was one too many.
async fn judge(client: &mut Client, method: &str, params: &Value) -> (Vec<Value>, Option<String>) {
    let asked = tokio::time::timeout(ANSWER_MAX, client.frames(method, params)).await;
    let frames = asked.unwrap_or_else(|_| panic!("{method} {params} is not answered in time"));
    let last = frames.last().unwrap();
    if last["ok"] == true {
        return (frames, None);
    }
    let error = &last["error"];
    let (code, message) = (error["code"].as_str().unwrap(), error["message"].as_str().unwrap());
    let known = ["INVALID_REQUEST", "NOT_FOUND", "UNAVAILABLE", "FORBIDDEN"];
    assert!(known.contains(&code) && !message.is_empty(), "{method} {params}: {error}");
    let extra = message.split("unexpected property '").nth(1);
    let extra = extra.and_then(|rest| rest.split('\'').next()).map(str::to_owned);
    (frames, extra)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_parameters_of_any_method_are_answered_in_time_and_in_form() {
    let home = Home::new();
    let (service, port) = serve(&home, "{}");
    let mut client = Client::operator(port, "ui", "anybody").await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let (mut seen, mut done) = (Vec::new(), 0);
    let all: Vec<_> = telson::methods::methods().map(|method| method.name).collect();
    for round in 0..ROUNDS {
        for method in all.iter().filter(|method| !ENDING.contains(method)) {
            let mut params = match round {
                0 => json!({}),
                _ => params().new_tree(&mut runner).unwrap().current(),
            };
            if *method == "agent.wait" && params.is_object() {
                // Waiting is what it is for.
                params["timeoutMs"] = json!(20);
            }
            // What nobody knows is taken out, so that the rest is looked at.
            for _ in 0..TAKEN_OUT_MAX {
                let (frames, extra) = judge(&mut client, method, &params).await;
                done += usize::from(frames.last().unwrap()["ok"] == true);
                seen.extend(
                    frames.into_iter().map(|frame| json!({"method": method, "frame": frame})),
                );
                let object = params.as_object_mut();
                let is_taken = extra.zip(object).and_then(|(name, it)| it.remove(&name)).is_some();
                if !is_taken {
                    break;
                }
            }
        }
    }
    assert!(done > all.len(), "{done} calls went through");
    assert!(seen.iter().all(|it| has_form(&it["frame"])));
    let stability = client.call("diagnostics.stability", &json!({})).await.unwrap();
    assert_eq!(stability["panics"], 0, "{}", service.log());
    assert_eq!(stability["lives"]["starts"], 1);
    check(&home, &seen);
    service.stop();
}

/// The envelope of an answer.
fn has_form(frame: &Value) -> bool {
    let known = ["type", "id", "ok", "payload", "error"];
    let object = frame.as_object().unwrap();
    object.keys().all(|key| known.contains(&key.as_str()))
        && frame["type"] == "res"
        && frame["id"].as_str().is_some_and(|id| !id.is_empty())
        && (frame["ok"] == true || frame["error"].is_object())
}

/// Against the published schema, where the published programs are installed.
pub(crate) fn check(home: &Home, seen: &[Value]) {
    let Some(programs) = Programs::find() else { return };
    let lines: Vec<String> = seen.iter().map(Value::to_string).collect();
    let mut checker = programs
        .node(&home.state_dir())
        .arg(CHECKER)
        .arg(programs.modules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Written by a thread of its own, or both sides could wait for each other.
    let mut input = checker.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.join("\n").as_bytes()));
    let output = checker.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "frames that the schema refuses:\n{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["frames"], json!(seen.len()), "every frame was looked at");
}
