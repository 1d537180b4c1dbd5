//! The OpenClaw command line, command by command, as people type it.

use super::frames;
use super::programs::text;
use super::scene::Scene;

/// One command, and how one can see that it did what it is for.
struct Step {
    args: &'static [&'static str],
    /// What it prints, each of them.
    prints: &'static [&'static str],
}

/// Asks the gateway only when it is told where: it looks for a lock that its own gateway leaves in its
/// home, and otherwise shows what it remembers.
const LOOKS_FOR_A_LOCK: &[&str] = &["models", "list"];

const fn step(args: &'static [&'static str], prints: &'static [&'static str]) -> Step {
    Step { args, prints }
}

/// In this order: what is said early is seen later.
const STEPS: &[Step] = &[
    step(&["health"], &["Agents: main (default)", "Session store (main)"]),
    step(&["gateway", "call", "health"], &["\"ok\": true", "\"defaultAgentId\": \"main\""]),
    step(&["gateway", "call", "status"], &["\"runtimeVersion\"", "\"sessionsLive\""]),
    step(&["gateway", "call", "sessions.list"], &["\"totalCount\"", "\"defaults\""]),
    step(&["gateway", "call", "config.get"], &["\"valid\": true", "\"hash\""]),
    step(
        &["gateway", "call", "config.schema.lookup", "--params", "{\"path\":\"agents\"}"],
        &["\"children\"", "\"agents.entries\""],
    ),
    step(&["gateway", "call", "agents.list"], &["\"defaultId\": \"main\""]),
    step(
        &["gateway", "call", "agents.files.list", "--params", "{\"agentId\":\"main\"}"],
        &["AGENTS.md"],
    ),
    step(&["gateway", "call", "tools.catalog"], &["\"groups\""]),
    step(&["gateway", "call", "update.status"], &["\"updateAvailable\": null"]),
    step(
        &[
            "gateway",
            "call",
            "sessions.create",
            "--params",
            "{\"key\":\"wire\",\"label\":\"Wire\"}",
        ],
        &["agent:main:wire", "\"label\": \"Wire\""],
    ),
    step(
        &["gateway", "call", "sessions.describe", "--params", "{\"key\":\"agent:main:wire\"}"],
        &["\"label\": \"Wire\"", "\"kind\": \"direct\""],
    ),
    step(
        &["gateway", "call", "sessions.delete", "--params", "{\"key\":\"agent:main:wire\"}"],
        &["\"deleted\": true"],
    ),
    step(
        &["gateway", "call", "chat.history", "--params", "{\"sessionKey\":\"main\"}"],
        &["\"messages\""],
    ),
    step(&["gateway", "probe"], &["Reachable: yes"]),
    step(&["status"], &["Gateway", "Sessions"]),
    step(&["channels", "status"], &["Gateway reachable"]),
    step(&["models", "list"], &["echo/echo"]),
    step(&["devices", "list"], &[]),
    step(&["nodes", "list"], &["Pending: 0"]),
    step(&["logs", "--limit", "20"], &[]),
    step(&["system", "presence"], &["\"mode\": \"gateway\""]),
    step(&["cron", "status"], &[]),
    step(&["cron", "list"], &[]),
    step(
        &["agent", "--agent", "main", "--message", "hello from the command line"],
        &["hello from the command line"],
    ),
];

#[test]
fn the_unmodified_command_line_works_and_every_frame_is_what_the_schema_says() {
    let Some(scene) = Scene::start("{}") else { return };
    for step in STEPS {
        let output = if step.args == LOOKS_FOR_A_LOCK {
            scene.openclaw_at_port(step.args)
        } else {
            scene.openclaw(step.args)
        };
        let printed = text(&output);
        let command = step.args.join(" ");
        assert_eq!(output.status.code(), Some(0), "openclaw {command}:\n{printed}");
        for part in step.prints {
            assert!(printed.contains(part), "openclaw {command} lacks {part:?}:\n{printed}");
        }
    }
    let report = frames::check(&scene);
    let seen: Vec<&str> =
        report["types"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
    for method in
        ["connect", "agent", "channels.status", "models.list", "logs.tail", "sessions.list"]
    {
        assert!(seen.contains(&method), "{method} was checked: {seen:?}");
    }
}

#[test]
fn what_is_not_there_is_refused_in_words() {
    let Some(scene) = Scene::start("{}") else { return };
    for (method, params, part) in [
        ("no.such.method", "{}", "unknown method"),
        ("sessions.list", "{\"bogus\":true}", "unexpected property 'bogus'"),
        ("channels.stop", "{\"channel\":\"imessage\"}", "unknown channel"),
    ] {
        let output = scene.openclaw(&["gateway", "call", method, "--params", params]);
        let printed = text(&output);
        assert_ne!(output.status.code(), Some(0), "{method}: {printed}");
        assert!(printed.contains(part), "{method} lacks {part:?}: {printed}");
    }
    frames::check(&scene);
}
