//! A config that is missing, wrong, or valid.

use serde_json::{Value, json};

use crate::kit::{Home, Process};

const DEFAULTS: &str = "running on defaults";

fn stop_and_read(service: Process) -> (String, String) {
    let (out, log) = (service.out(), service.log());
    service.stop();
    (out, log)
}

#[test]
fn without_a_config_it_runs_on_defaults_and_says_so() {
    let home = Home::new();
    let service = home.start(&[]);
    let pid = service.pid();
    let (out, log) = stop_and_read(service);
    let config = home.state_dir().join("telson.json");
    assert!(out.starts_with(&format!("telson 0.1.0 is running (pid {pid})\n")), "{out}");
    assert!(out.contains(&format!("no config at {}: {DEFAULTS}", config.display())), "{out}");
    assert!(out.contains("agent main answers with echo/echo"), "{out}");
    assert!(out.contains("no channel is configured: add channels.imessage"), "{out}");
    assert!(out.contains("next: `telson status`"), "{out}");
    assert_eq!(log, "", "nothing to warn of");
}

#[test]
fn a_program_is_told_the_same_as_one_document() {
    let home = Home::new();
    let service = home.start(&["--json"]);
    let pid = service.pid();
    let (out, _) = stop_and_read(service);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["event"], &document["pid"]), (&json!("started"), &json!(pid)));
    assert!(document["config"].as_str().unwrap().ends_with(DEFAULTS), "{document}");
    assert!(document["notes"].to_string().contains("no channel is configured"), "{document}");
}

#[test]
fn a_wrong_config_is_refused_with_every_place_that_is_wrong() {
    let home = Home::new();
    home.configure(
        "{\n  // who answers\n  agents: {defaults: {modle: 'echo/echo'}},\n  \
         channels: {imessage: {dmPolicy: 'opne'}},\n}\n",
    );
    let file = home.state_dir().join("telson.json");
    let expected = format!(
        "{0}:3:23: agents.defaults.modle: unknown key\n  help: did you mean `model`?\n\
         {0}:4:35: channels.imessage.dmPolicy: \"opne\" is not one of pairing, allowlist, open, \
         disabled\n  help: did you mean \"open\"?",
        file.display()
    );
    for args in [&["run"][..], &["config", "validate"]] {
        let finished = home.ask(args);
        assert_eq!((finished.code, finished.out.as_str()), (78, ""), "{args:?}");
        assert_eq!(finished.err, format!("telson: {expected}\n"));
        let (code, document) = home.ask_json(args);
        let error = json!({"type": "config", "message": expected});
        assert_eq!((code, document), (78, json!({"ok": false, "error": error})));
    }
    assert!(!home.state_dir().join("store").exists(), "nothing was started");
}

#[test]
fn a_broken_or_unreadable_config_is_refused_with_its_place() {
    let home = Home::new();
    home.configure("{agents: {defaults: }}");
    let file = home.state_dir().join("telson.json");
    let finished = home.ask(&["run"]);
    assert_eq!(finished.code, 78);
    let place = format!("telson: {}:1:21: ", file.display());
    assert!(finished.err.starts_with(&place), "{}", finished.err);
    let folder = home.ask(&["run", "--config", home.path("").to_str().unwrap()]);
    assert_eq!(folder.code, 78, "{folder:?}");
}

#[test]
fn a_config_is_validated_without_a_service() {
    let home = Home::new();
    let none = home.ask(&["config", "validate"]);
    assert_eq!(none.code, 0);
    assert!(none.out.contains("there is no config at"), "{}", none.out);
    home.configure("{agents: {defaults: {model: 'echo/echo'}}, channels: {imessage: {enabled: false, groups: {'*': {systemPrompt: 'be nice'}}}}}");
    let valid = home.ask(&["config", "validate"]);
    let file = home.state_dir().join("telson.json");
    assert_eq!(valid.code, 0, "{valid:?}");
    assert!(valid.out.ends_with(&format!("{} is valid\n", file.display())), "{}", valid.out);
    assert!(valid.out.contains(
        "warning: understood, but without effect yet: channels.imessage.groups.*.systemPrompt"
    ));
    let (code, document) = home.ask_json(&["config", "validate"]);
    assert_eq!((code, &document["ok"], &document["exists"]), (0, &json!(true), &json!(true)));
    assert_eq!(document["warnings"].as_array().unwrap().len(), 1, "{document}");
}

#[test]
fn what_agents_may_do_is_checked_and_told() {
    let home = Home::new();
    home.configure("{tools: {profile: 'full',\n deny: ['exce'], exec: {mode: 'ful'}}}");
    let wrong = home.ask(&["config", "validate"]);
    let file = home.state_dir().join("telson.json");
    assert_eq!(wrong.code, 78, "{wrong:?}");
    let place = format!("{}:2:31: tools.exec.mode: \"ful\" is not one of", file.display());
    assert!(wrong.err.contains(&place), "{}", wrong.err);
    home.configure("{tools: {profile: 'full',\n deny: ['exce']}}");
    let wrong = home.ask(&["run"]);
    let place = format!("{}:2:9: tools.deny[0]: there is no tool \"exce\"", file.display());
    assert_eq!(wrong.code, 78, "{wrong:?}");
    assert!(wrong.err.contains(&place), "{}", wrong.err);
    assert!(wrong.err.contains("did you mean \"exec\"?"), "{}", wrong.err);
    home.configure("{tools: {profile: 'coding', exec: {mode: 'ask'}}}");
    let (code, document) = home.ask_json(&["config", "validate"]);
    assert_eq!(code, 0, "{document}");
    let may = "agent main may use cron, edit, read, sessions_history, sessions_list, sessions_send, \
               web_fetch, write";
    assert!(document["notes"].as_array().unwrap().contains(&json!(may)), "{document}");
    assert!(
        document["warnings"].to_string().contains("until then no command is run"),
        "{document}"
    );
}

#[test]
fn other_places_can_be_named() {
    let home = Home::new();
    let (state, config) = (home.path("elsewhere"), home.path("my.json"));
    std::fs::write(&config, "{logging: {level: 'debug'}}").unwrap();
    let place = [state.to_str().unwrap(), config.to_str().unwrap()];
    let service = home.start_at(&state, &["--state-dir", place[0], "--config", place[1]]);
    assert!(service.out().contains(&format!("config {}", config.display())), "{}", service.out());
    let status = home.ask(&["status", "--state-dir", place[0]]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.out.contains(&format!("pid {}", service.pid())), "{}", status.out);
    assert_eq!(home.ask(&["status"]).code, 1, "nobody runs at the usual place");
    service.stop();
    assert!(!home.state_dir().exists());
}

#[test]
fn a_config_that_was_named_has_to_be_there() {
    let home = Home::new();
    let gone = home.path("gone.json");
    let gone = gone.to_str().unwrap();
    let said = format!(
        "telson: there is no config file at {gone}, which --config or TELSON_CONFIG_PATH names; \
         correct it, or leave it out to run on defaults\n"
    );
    for args in [&["run", "--config", gone][..], &["config", "validate", "--config", gone]] {
        let finished = home.ask(args);
        assert_eq!((finished.code, finished.out.as_str()), (78, ""), "{args:?}");
        assert_eq!(finished.err, said, "{args:?}");
    }
    home.set_env("TELSON_CONFIG_PATH", &home.path("gone.json"));
    assert_eq!(home.ask(&["config", "validate"]).err, said);
    assert!(!home.state_dir().exists(), "nothing was started");
}

#[test]
fn programs_that_are_not_there_are_named() {
    let home = Home::new();
    let (plain, here) = (home.path("plain.txt"), home.path("here"));
    std::fs::write(&plain, "no program").unwrap();
    crate::scene::write_program(&here, "#!/bin/sh\n");
    let config = json!({
        "channels": {"imessage": {"cliPath": "~/gone/imsg", "accounts": {
            "bad": {}, "good": {"cliPath": "sh"}, "off": {"enabled": false, "cliPath": "/gone"},
        }}},
        "mcp": {"servers": {
            "lost": {"command": "no-such-server"},
            "mute": {"command": plain},
            "own": {"command": "here", "env": {"PATH": home.path("")}},
        }},
        "hooks": {"commands": {
            "late": {"on": ["agent_end"], "command": "/gone/hook.sh"},
            "fine": {"on": ["agent_end"], "command": here},
        }},
    });
    home.configure(&config.to_string());
    let (code, document) = home.ask_json(&["config", "validate"]);
    assert_eq!(code, 0, "{document}");
    let warnings: Vec<String> = serde_json::from_value(document["warnings"].clone()).unwrap();
    let expected = [
        "mcp.servers.lost.command: \"no-such-server\" is in no folder of PATH; write its whole path"
            .to_owned(),
        format!("mcp.servers.mute.command: {plain:?} is not a program this user may run"),
        "hooks.commands.late.command: \"/gone/hook.sh\" is not there".to_owned(),
    ];
    for line in expected {
        assert!(warnings.contains(&line), "{line} is in {warnings:#?}");
    }
    let lost = warnings.iter().filter(|line| line.contains("\"~/gone/imsg\" is not there"));
    assert_eq!(lost.count(), 1, "{warnings:#?}");
    let fine = ["good", "off", "own", "fine"];
    let named = warnings.iter().filter(|line| fine.iter().any(|name| line.contains(name)));
    assert_eq!(named.count(), 0, "{warnings:#?}");
}

#[test]
fn names_that_lead_nowhere_are_refused_or_remarked_on_with_their_place() {
    let home = Home::new();
    home.configure(
        "{agents: {defaults: {compaction: {model: 'opnai/gpt-5'}}},\n \
          mcp: {servers: {disk: {command: '/bin/sh'}}},\n tools: {allow: ['dsik__read']},\n \
          messages: {queue: {byChannel: {imesage: 'steer'}}}}",
    );
    let wrong = home.ask(&["run"]);
    assert_eq!(wrong.code, 78, "{wrong:?}");
    for (place, text) in [
        ("1:42", "agents.defaults.compaction.model: there is no provider \"opnai\""),
        ("3:18", "tools.allow[0]: there is no MCP server \"dsik\" whose tool this could be"),
        ("4:33", "messages.queue.byChannel.imesage: there is no channel \"imesage\""),
    ] {
        let line = format!("telson.json:{place}: {text}\n  help: did you mean ");
        assert!(wrong.err.contains(&line), "{line} is in {}", wrong.err);
    }
    home.configure(
        "{mcp: {servers: {disk: {command: '/bin/sh'}}}, tools: {allow: ['web__get', 'disk__x']},\n \
          messages: {responsePrefix: '[{modle}]', queue: {byChannel: {slack: 'steer'}}}}",
    );
    let valid = home.ask(&["config", "validate"]);
    assert_eq!(valid.code, 0, "{valid:?}");
    for part in [
        "tools.allow[0]: there is no MCP server \"web\"",
        "messages.responsePrefix: {modle} is no variable\n  help: did you mean {model}?",
        "messages.queue.byChannel.slack: there is no channel \"slack\"",
    ] {
        assert!(valid.out.contains(part), "{part} is in {}", valid.out);
    }
    assert!(!valid.out.contains("disk__x"), "{}", valid.out);
}
