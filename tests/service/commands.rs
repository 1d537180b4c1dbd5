//! Commands that need no running service, and what they say when there is none.

use serde_json::{Value, json};

use crate::kit::{Home, until};
use crate::scene::Scene;

#[test]
fn asking_a_service_that_is_not_there_fails_and_says_how_to_start_it() {
    let home = Home::new();
    for args in
        [&["status"][..], &["tree"], &["why", "hello"], &["dead-letters", "list"], &["status"]]
    {
        let finished = home.ask(args);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert_eq!(finished.out, "");
        let state_dir = home.state_dir();
        let said = format!(
            "telson: no telson is running on {}; start it with `telson run`\n",
            state_dir.display()
        );
        assert_eq!(finished.err, said, "{args:?}");
        let (code, document) = home.ask_json(args);
        assert_eq!((code, &document["ok"]), (1, &json!(false)), "{args:?}: {document}");
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("no telson is running"), "{message}");
    }
    assert!(!home.state_dir().exists(), "asking leaves nothing behind");
}

#[test]
fn what_cannot_be_understood_is_refused_with_its_own_code() {
    let home = Home::new();
    for args in [
        &["--bogus"][..],
        &["run", "--bogus"],
        &["stauts"],
        &[],
        &["why"],
        &["completions", "tcsh"],
        &["demo", "--messages", "0"],
        &["run", "--log-level", "loud"],
    ] {
        let finished = home.ask(args);
        assert_eq!(finished.code, 2, "{args:?}: {finished:?}");
        assert!(!finished.err.is_empty() && finished.out.is_empty(), "{args:?}: {finished:?}");
    }
    let typo = home.ask(&["stauts"]);
    assert!(typo.err.contains("status"), "the near miss is named: {}", typo.err);
}

#[test]
fn a_program_gets_a_document_also_for_what_cannot_be_understood() {
    let home = Home::new();
    for args in [&["status", "--bogus"][..], &["run", "--log-level", "loud"], &["why"]] {
        let (code, document) = home.ask_json(args);
        assert_eq!((code, &document["ok"]), (2, &json!(false)), "{args:?}: {document}");
        assert!(!document["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let home = Home::new();
    let version = home.ask(&["--version"]);
    assert_eq!((version.code, version.out.trim()), (0, "telson 0.1.0"));
    let help = home.ask(&["--help"]);
    assert_eq!(help.code, 0);
    for command in [
        "run",
        "demo",
        "selftest",
        "status",
        "tree",
        "why",
        "dead-letters",
        "config",
        "health",
        "sessions",
        "chat",
        "channels",
        "devices",
        "dashboard",
        "gateway",
    ] {
        assert!(help.out.contains(&format!("  {command} ")), "{command} is in {}", help.out);
    }
}

#[test]
fn the_schema_is_a_json_schema_of_the_config() {
    let home = Home::new();
    let finished = home.ask(&["config", "schema"]);
    assert_eq!(finished.code, 0);
    let schema = finished.json();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert_eq!(schema["type"], "object");
    let channels = resolve(&schema, &schema["properties"]["channels"]);
    let imessage = resolve(&schema, &channels["properties"]["imessage"]);
    assert!(imessage["properties"]["unsettledSends"].is_object(), "{imessage}");
    assert_every_reference_leads_somewhere(&schema, &schema);
    assert_eq!(home.ask_json(&["config", "schema"]), (0, schema));
}

/// Follows a reference, and takes the first that is no null of an optional setting.
fn resolve<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    let optional = node["anyOf"].as_array().and_then(|kinds| kinds.first());
    let reference = optional.unwrap_or(node)["$ref"].as_str();
    reference.and_then(|name| schema.pointer(name.trim_start_matches('#'))).unwrap_or(node)
}

fn assert_every_reference_leads_somewhere(schema: &Value, node: &Value) {
    match node {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let target = schema.pointer(reference.trim_start_matches('#'));
                assert!(target.is_some(), "{reference}");
            }
            for field in fields.values() {
                assert_every_reference_leads_somewhere(schema, field);
            }
        }
        Value::Array(items) => {
            for item in items {
                assert_every_reference_leads_somewhere(schema, item);
            }
        }
        _ => {}
    }
}

#[test]
fn completions_and_the_manual_are_printed() {
    let home = Home::new();
    let bash = home.ask(&["completions", "bash"]);
    assert_eq!(bash.code, 0);
    assert!(bash.out.contains("complete -F _telson"), "{}", bash.out);
    assert!(!bash.out.contains("imsg"), "what is hidden is not completed");
    let man = home.ask(&["man"]);
    assert_eq!(man.code, 0);
    assert!(man.out.contains(".TH telson 1") && man.out.contains("dead\\-letters"));
}

#[test]
fn why_tells_what_became_of_a_message() {
    let scene = Scene::with(&json!({"dmPolicy": "allowlist", "allowFrom": ["+15550100001"]}), &[]);
    let (anna, stranger) = (scene.friend("+15550100001"), scene.friend("+15550100002"));
    let service = scene.start();
    scene.say(&stranger, "[#1] let me in");
    let row = scene.say(&anna, "[#2] what is on today?");
    until("the answer is out", || (service.journey("[#2]")["state"] == "answered").then_some(()));
    let home = &scene.home;

    let answered = home.ask(&["why", "on", "today"]);
    assert_eq!(answered.code, 0, "{answered:?}");
    for part in ["answered", "[#2] what is on today?", "delivered", "echo/echo", &row.guid] {
        assert!(answered.out.contains(part), "{part:?} is in {}", answered.out);
    }
    let (code, by_id) = home.ask_json(&["why", &row.guid]);
    assert_eq!((code, &by_id["journeys"][0]["state"]), (0, &json!("answered")));
    let number = by_id["journeys"][0]["message"]["id"].as_str().unwrap().to_owned();
    let (_, by_number) = home.ask_json(&["why", &number]);
    assert_eq!(by_number["journeys"], by_id["journeys"]);

    let declined = home.ask(&["why", "LET ME IN"]);
    assert_eq!(declined.code, 0, "{declined:?}");
    let reason = "declined: the sender is neither in allowFrom nor paired";
    assert!(declined.out.contains(reason), "{}", declined.out);

    let unknown = home.ask(&["why", "never", "said"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.out.contains("nothing in the journal matches \"never said\""));
    let (code, document) = home.ask_json(&["why", "never said"]);
    assert_eq!((code, document), (1, json!({"ok": false, "journeys": []})));
    service.stop();
    scene.assert_only(&[(&anna, "[#2]")]);
}
