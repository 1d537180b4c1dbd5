//! Who may use what: from the text of a config to what the model is shown and what is called.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::assemble;
use telson_actors::tool::gate::{Asked, Gate, Verdict};

use crate::kit::{Model, answer_of, engine, settings};
use crate::support::{Platform, account, open_access};

/// What an agent is shown, and what came of its calls, under a config.
async fn under(config: &str, calls: &[&'static str]) -> (Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{{agents: {{entries: {{main: {{model: 'model/m', workspace: '{}', tools: AGENT}}}}}},
           models: {{providers: {{model: {{api: 'echo'}}}}}}, tools: TOOLS}}",
        dir.path().display()
    );
    let (tools, agent) = config.split_once('|').unwrap_or((config, "{}"));
    let text = text.replace("TOOLS", tools).replace("AGENT", agent);
    let env = |name: &str| (name == "PATH").then(|| "/usr/bin:/bin".to_owned());
    let loaded = telson::config::parse(&text, "config", &env).unwrap();
    let calls: Vec<_> = calls
        .iter()
        .map(|name| match *name {
            "exec" => ("exec", json!({"command": "echo ran"})),
            "write" => ("write", json!({"path": "a", "content": "x"})),
            name => (name, json!({"path": "."})),
        })
        .collect();
    let (platform, model) = (Platform::new(), Model::calling(calls));
    let builder = assemble(&loaded.config, &env).unwrap().builder;
    let builder = builder.provider("model", model.clone()).channel(
        account(),
        Arc::new(platform.clone()),
        None,
        open_access(),
    );
    let answer = answer_of(builder, &platform, "go").await;
    (model.shown(), answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_by_default() {
    let (shown, answer) = under("{}", &["exec", "write", "read"]).await;
    assert!(shown.is_empty(), "{shown:?}");
    assert_eq!(answer.matches("this agent may not use it").count(), 3, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_decides_what_is_shown_and_called() {
    let all = [
        "cron",
        "edit",
        "exec",
        "message",
        "read",
        "sessions_history",
        "sessions_list",
        "sessions_send",
        "web_fetch",
        "write",
    ];
    for (config, expected) in [
        ("{profile: 'full', exec: {mode: 'full'}}", &all[..]),
        (
            "{profile: 'full'}",
            &[
                "cron",
                "edit",
                "message",
                "read",
                "sessions_history",
                "sessions_list",
                "sessions_send",
                "web_fetch",
                "write",
            ],
        ),
        (
            "{profile: 'messaging'}",
            &["message", "sessions_history", "sessions_list", "sessions_send"],
        ),
        ("{profile: 'minimal'}", &[]),
        (
            "{profile: 'messaging'}|{profile: 'coding', deny: ['group:sessions']}",
            &["cron", "edit", "read", "web_fetch", "write"],
        ),
        (
            "{allow: ['group:fs', 'web_fetch'], deny: ['write'], web: {fetch: {enabled: false}}}",
            &["edit", "read"],
        ),
        ("{profile: 'full', deny: ['*']}|{alsoAllow: ['read']}", &[]),
        ("{exec: {mode: 'full'}}|{alsoAllow: ['bash']}", &["exec"]),
        ("{exec: {mode: 'full'}}|{allow: ['exec'], exec: {mode: 'ask'}}", &[]),
    ] {
        let (shown, answer) = under(config, &["exec", "write"]).await;
        assert_eq!(shown, expected, "{config}");
        assert_eq!(answer.contains("ran\n"), expected.contains(&"exec"), "{config}: {answer}");
        assert_eq!(answer.contains("wrote 1"), expected.contains(&"write"), "{config}: {answer}");
    }
}

/// A gate that writes down what it is asked, and lets through what it likes.
#[derive(Default)]
struct Porter(Mutex<Vec<String>>);

impl Gate for Porter {
    fn decide<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Verdict> {
        self.0.lock().unwrap().push(format!("{} {} {}", asked.agent, asked.tool, asked.arguments));
        let verdict = match asked.arguments["path"].as_str() {
            Some("no") => Verdict::Refuse("the porter says no".into()),
            _ => Verdict::Allow,
        };
        Box::pin(async move {
            // Asking a person takes its time.
            tokio::task::yield_now().await;
            verdict
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_sees_each_call_and_has_the_last_word() {
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let model = Model::calling(vec![
        ("write", json!({"path": "yes", "content": "x"})),
        ("write", json!({"path": "no", "content": "x"})),
        ("write", json!({"content": "x"})),
    ]);
    let porter = Arc::new(Porter::default());
    let builder = engine(&platform, &model, settings(dir.path())).gate(porter.clone());
    let answer = answer_of(builder, &platform, "go").await;
    assert!(dir.path().join("yes").exists() && !dir.path().join("no").exists());
    assert!(answer.contains("the porter says no"), "{answer}");
    let asked = porter.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "what can't be called is not asked about: {asked:?}");
    assert_eq!(asked[0], r#"main write {"content":"x","path":"yes"}"#);
}

#[test]
fn wrong_names_are_refused_with_their_place() {
    let text = "{\n  tools: {deny: ['exce']},\n}";
    let refused = telson::config::parse(text, "telson.json", &|_| None).unwrap_err();
    let said = refused.to_string();
    assert!(
        said.starts_with("telson.json:2:18: tools.deny[0]: there is no tool \"exce\""),
        "{said}"
    );
    assert!(said.contains("did you mean \"exec\"?"), "{said}");
    let text = "{tools: {profil: 'full', exec: {mode: 'fulll'}}}";
    let said = telson::config::parse(text, "telson.json", &|_| None).unwrap_err().to_string();
    assert!(
        said.contains("did you mean `profile`?") && said.contains("did you mean \"full\"?"),
        "{said}"
    );
}
