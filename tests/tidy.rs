//! The rules of the house, kept by a test instead of by memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

use telson::actors::crash_point::POINTS;

/// Files that decide. They get time, randomness and content as arguments (T1).
const PURE_FILES: &[&str] = &[
    "supervision/src/strategy.rs",
    "supervision/src/intensity.rs",
    "supervision/src/backoff.rs",
    "supervision/src/decision.rs",
    "supervision/src/dynamic/uses.rs",
    "actors/src/message/session_key.rs",
    "actors/src/store/key.rs",
    "actors/src/store/batch.rs",
    "actors/src/store/codec.rs",
    "actors/src/store/seal.rs",
    "actors/src/store/parts.rs",
    "actors/src/disk/watermark.rs",
    "actors/src/suspension/lease.rs",
    "actors/src/router/route.rs",
    "actors/src/router/rules.rs",
    "actors/src/router/access.rs",
    "actors/src/router/bindings.rs",
    "actors/src/router/pairing.rs",
    "actors/src/router/pressure.rs",
    "actors/src/router/pressure.rs",
    "actors/src/session/lane.rs",
    "actors/src/session/machine.rs",
    "actors/src/session/machine/answering.rs",
    "actors/src/session/machine/asking.rs",
    "actors/src/session/machine/effect.rs",
    "actors/src/session/machine/event.rs",
    "actors/src/session/machine/failing.rs",
    "actors/src/session/machine/turn.rs",
    "actors/src/session/machine/steering.rs",
    "actors/src/session/machine/waking.rs",
    "actors/src/session/lane/boundary.rs",
    "actors/src/session/command.rs",
    "actors/src/session/queue.rs",
    "actors/src/session/ending.rs",
    "actors/src/session/steps.rs",
    "actors/src/session/steps/record.rs",
    "actors/src/session/steps/resumed.rs",
    "actors/src/router/busy.rs",
    "actors/src/channel/typing/leases.rs",
    "actors/src/session/chain.rs",
    "actors/src/model/reference.rs",
    "actors/src/cron/announce.rs",
    "actors/src/cron/backoff.rs",
    "actors/src/cron/book.rs",
    "actors/src/cron/consequence.rs",
    "actors/src/cron/job.rs",
    "actors/src/cron/main_session.rs",
    "actors/src/cron/outcome.rs",
    "actors/src/cron/plan.rs",
    "actors/src/cron/prompt.rs",
    "actors/src/cron/schedule.rs",
    "actors/src/cron/target.rs",
    "actors/src/cron/job/layouts.rs",
    "actors/src/cron/job/task.rs",
    "actors/src/cron/wire/secret.rs",
    "actors/src/message/address.rs",
    "actors/src/cron/wire.rs",
    "actors/src/cron/wire/command.rs",
    "actors/src/cron/wire/delivery.rs",
    "actors/src/cron/wire/when.rs",
    "actors/src/cron/wire/post.rs",
    "actors/src/cron/wire/show.rs",
    "actors/src/channel/webhook/answer.rs",
    "actors/src/tool/core/cron/rights.rs",
    "actors/src/cron/words.rs",
    "actors/src/model/candidates.rs",
    "actors/src/model/catalog.rs",
    "actors/src/provider/failover.rs",
    "actors/src/provider/profile/order.rs",
    "actors/src/provider/profile/state.rs",
    "actors/src/tool/schema.rs",
    "actors/src/tool/cap.rs",
    "actors/src/mcp/life.rs",
    "actors/src/mcp/names.rs",
    "actors/src/mcp/wire.rs",
    "actors/src/tool/policy.rs",
    "actors/src/tool/core/reach.rs",
    "actors/src/tool/core/fs/change.rs",
    "actors/src/tool/core/fs/pages.rs",
    "actors/src/tool/core/fs/path.rs",
    "actors/src/tool/core/exec/output.rs",
    "actors/src/tool/core/sessions/hops.rs",
    "actors/src/tool/core/sessions/view.rs",
    "actors/src/tool/core/web/address.rs",
    "actors/src/tool/core/web/html.rs",
    "actors/src/tool/core/web/page.rs",
    "actors/src/tool/core/web/rules.rs",
    "actors/src/hook/moment.rs",
    "actors/src/hook/event.rs",
    "actors/src/hook/decision.rs",
    "actors/src/reply/silent.rs",
    "actors/src/reply/prefix.rs",
    "actors/src/stream/queue.rs",
    "actors/src/stream/event.rs",
    "actors/src/provider/answer.rs",
    "actors/src/provider/responses/wire.rs",
    "actors/src/provider/gemini/wire.rs",
    "actors/src/provider/ollama/wire.rs",
    "actors/src/session/machine/make_room.rs",
    "actors/src/context/compaction.rs",
    "actors/src/context/conversation.rs",
    "actors/src/context/estimate.rs",
    "actors/src/context/identifiers.rs",
    "actors/src/context/prompt.rs",
    "actors/src/context/room.rs",
    "actors/src/provider/overflow.rs",
    "actors/src/usage/budget.rs",
    "actors/src/usage/day.rs",
    "actors/src/usage/price.rs",
    "actors/src/usage/tally.rs",
    "actors/src/outbox/crashes.rs",
    "actors/src/outbox/entry.rs",
    "actors/src/outbox/dispatch.rs",
    "actors/src/channel/chunk.rs",
    "actors/src/channel/chunk/paragraphs.rs",
    "actors/src/channel/preview/drafts.rs",
    "actors/src/channel/imessage/cursor.rs",
    "actors/src/channel/imessage/wire.rs",
    "actors/src/channel/imessage/row.rs",
    "actors/src/channel/imessage/inbound.rs",
    "actors/src/channel/imessage/previews.rs",
    "actors/src/channel/imessage/text_hash.rs",
    "actors/src/channel/imessage/typedstream.rs",
    "actors/src/channel/imessage/verdict.rs",
    "actors/src/provider/classify.rs",
    "actors/src/provider/openai/wire.rs",
    "actors/src/provider/embedding/wire.rs",
    "actors/src/client_tool/handing.rs",
    "actors/src/session/machine/handing.rs",
    "actors/src/provider/anthropic/wire.rs",
    "actors/src/heartbeat/budget.rs",
    "actors/src/heartbeat/content.rs",
    "actors/src/heartbeat/gate.rs",
    "actors/src/heartbeat/hours.rs",
    "actors/src/heartbeat/prompt.rs",
    "actors/src/heartbeat/reply.rs",
    "actors/src/heartbeat/retry.rs",
    "actors/src/heartbeat/rules.rs",
    "actors/src/heartbeat/schedule.rs",
    "actors/src/heartbeat/target.rs",
    "actors/src/heartbeat/visibility.rs",
    "actors/src/heartbeat/wake.rs",
    "actors/src/session/machine/hearing.rs",
    "actors/src/system_event/once.rs",
    "actors/src/system_event/queue.rs",
    "actors/src/system_event/render.rs",
    "src/frame.rs",
    "src/gateway/crowd.rs",
    "src/gateway/device.rs",
    "src/gateway/device_proof.rs",
    "src/gateway/enrolment.rs",
    "src/gateway/exposure.rs",
    "src/gateway/handshake.rs",
    "src/gateway/limiter.rs",
    "src/gateway/network.rs",
    "src/gateway/pairing.rs",
    "src/gateway/refusal.rs",
    "src/gateway/strength.rs",
    "src/gateway/tls/fingerprint.rs",
    "src/gateway/visitor.rs",
    "src/gateway/wire.rs",
    "src/methods/rights.rs",
    "src/methods/role.rs",
    "src/gateway_client/address.rs",
    "src/cli/remote/transcript.rs",
    "src/gateway/presence.rs",
    "src/config/change/merge.rs",
    "src/config/change/redact.rs",
    "src/config/change/lookup.rs",
    "src/config/change/agents.rs",
    "src/methods/cron_params.rs",
    "src/methods/accounts.rs",
    "src/methods/params.rs",
    "actors/src/tool/core/web/fence.rs",
    "src/gateway/http/hooks/github.rs",
    "src/gateway/http/hooks/gmail.rs",
    "src/gateway/http/hooks/oidc.rs",
    "src/gateway/http/hooks/once.rs",
    "src/gateway/http/hooks/place.rs",
    "src/gateway/http/hooks/template.rs",
    "src/gateway/http/hooks/wish.rs",
    "src/gateway/http/metrics/route.rs",
    "src/gateway/http/openai/asked.rs",
    "src/gateway/under_way.rs",
    "src/gateway/nodes/pieces.rs",
    "actors/src/node/action.rs",
    "actors/src/node/work.rs",
    "src/methods/new_work.rs",
    "src/gateway/http/openai/chat.rs",
    "src/gateway/http/openai/client_tools.rs",
    "src/gateway/http/openai/embeddings.rs",
    "src/gateway/http/openai/fields.rs",
    "src/gateway/http/openai/images.rs",
    "src/gateway/http/openai/prompt.rs",
    "src/gateway/http/openai/responses.rs",
    "src/gateway/http/openai/shelf.rs",
    "src/gateway/http/openai/shown.rs",
    "src/gateway/narrator/story.rs",
    "src/gateway/narrator/tale.rs",
    "src/methods/chat/attachments.rs",
    "src/methods/chat/params.rs",
    "src/methods/chat/place.rs",
    "src/methods/chat/view.rs",
    "src/selftest/plan.rs",
    "src/selftest/report.rs",
    "src/selftest/deeds.rs",
    "src/config/rules/names.rs",
    "src/config/repeated.rs",
    "src/cli/table.rs",
    "src/cli/width.rs",
    "src/cli/remote/attempt.rs",
    "actors/src/router/callers.rs",
    "actors/src/session/query.rs",
    "actors/src/session/machine/compact.rs",
    "actors/src/session/machine/files.rs",
    "actors/src/context/media.rs",
    "actors/src/dead_letter/done_before.rs",
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The shipped part: without the unit tests at the end of the file.
    fn shipped(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or_default()
    }

    fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "testing.rs" | "benches"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for dir in ["src", "actors", "supervision", "tests", "benches", "examples"] {
        let dir = root().join(dir);
        if dir.exists() {
            collect(&dir, &mut files);
        }
    }
    files
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(),
        })
        .collect()
}

/// Every place in shipped code outside `allowed` where `needle` stands.
fn offences(needle: &str, allowed: &[&str]) -> Vec<String> {
    sources()
        .iter()
        .filter(|source| !source.is_test() && !source.path.starts_with("examples/"))
        .filter(|source| !allowed.iter().any(|prefix| source.path.starts_with(prefix)))
        .filter(|source| {
            source
                .shipped()
                .lines()
                .any(|line| line.contains(needle) && !line.trim_start().starts_with("//"))
        })
        .map(|source| format!("{}: {needle}", source.path))
        .collect()
}

#[test]
fn every_invariant_is_named_by_a_test() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let ids: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("* **"))
        .filter_map(|rest| rest.split_once("**").map(|(id, _)| id))
        .collect();
    assert!(ids.len() >= 18, "the map lists its invariants: {ids:?}");
    let all = sources();
    let tests: Vec<&str> = all
        .iter()
        .map(|source| {
            if source.is_test() {
                source.text.as_str()
            } else {
                source.text.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests)
            }
        })
        .collect();
    let named = |id: &str| {
        tests.iter().any(|text| {
            text.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word.eq_ignore_ascii_case(id))
        })
    };
    let missing: Vec<&&str> = ids.iter().filter(|id| !named(id)).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
}

// T1
#[test]
fn pure_files_are_pure() {
    let forbidden = [
        "async fn",
        ".await",
        "tokio::",
        "ractor::",
        "Instant::now",
        "SystemTime",
        "std::fs",
        "std::env",
        "reqwest::",
        "sled::",
        "rusqlite::",
        "RandomState",
        "Dice",
    ];
    let all = sources();
    for path in PURE_FILES {
        let source = all.iter().find(|source| source.path == *path);
        let text = source.unwrap_or_else(|| panic!("{path} is listed as pure and gone")).shipped();
        for word in forbidden {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(
                code.clone().all(|line| !line.contains(word)),
                "{path} is pure, but says {word}"
            );
        }
    }
}

// A1
#[test]
fn supervision_knows_no_noun_of_ours() {
    let nouns =
        ["session", "outbox", "inbox", "envelope", "provider", "imessage", "telegram", "router"];
    for source in sources().iter().filter(|source| source.path.starts_with("supervision/src")) {
        let text = source.text.to_lowercase();
        for noun in nouns {
            // Paths in examples of the documentation are allowed to look like somebody's tree.
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(code.clone().all(|line| !line.contains(noun)), "{} says {noun}", source.path);
        }
    }
}

// A2, A3, X2: who may know what.
#[test]
fn knowledge_stays_in_its_room() {
    let mut found = offences("std::env::", &["src/"]);
    found.extend(offences("sled::", &["actors/src/store/"]));
    found.extend(offences("rusqlite::", &["actors/src/channel/imessage/", "src/demo/"]));
    // The model of a sweep is a server on this machine's own address.
    found.extend(offences("TcpListener", &["src/gateway/", "src/selftest/model.rs"]));
    found.extend(offences("UnixListener", &["src/control/"]));
    found.extend(offences("flush_async", &[]));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn arrows_point_down() {
    let manifest = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    assert!(!manifest("supervision/Cargo.toml").contains("telson-actors"));
    assert!(!manifest("supervision/Cargo.toml").contains("telson ="));
    assert!(!manifest("actors/Cargo.toml").contains("telson ="));
    // A room imports another room's front door, never its actor.
    for source in sources().iter().filter(|source| source.path.starts_with("actors/src")) {
        let reaches = |line: &str| line.contains("crate::") && line.contains("::actor::");
        assert!(!source.shipped().lines().any(reaches), "{} reaches into a room", source.path);
    }
}

// The sweep dies at each of them: see `tests/sweep.rs`.
#[test]
fn every_crash_point_is_passed_where_the_table_says_and_nowhere_else() {
    let call = |name: &str| format!("crash_point(\"{name}\")");
    let all = sources();
    let shipped = || all.iter().filter(|source| !source.is_test() && is_shipped(&source.path));
    let mut listed = 0;
    for point in POINTS {
        let call = call(point.name);
        let passed: Vec<(&str, usize)> = shipped()
            .map(|source| (source.path.as_str(), source.shipped().matches(&call).count()))
            .filter(|(_, times)| *times > 0)
            .collect();
        assert_eq!(passed, [(point.place, 1)], "{}", point.name);
        assert!(!point.about.is_empty(), "{} says what it is about", point.name);
        let twins = POINTS.iter().filter(|other| other.name == point.name).count();
        assert_eq!(twins, 1, "{} stands in the table once", point.name);
        listed += 1;
    }
    let passed: usize =
        shipped().map(|source| source.shipped().matches("crash_point(\"").count()).sum();
    assert_eq!(passed, listed, "every point that is passed is in the table");
}

fn is_shipped(path: &str) -> bool {
    path.starts_with("src/") || path.contains("/src/")
}

#[test]
fn nothing_is_left_unfinished_or_skipped() {
    let unfinished =
        ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("XX", "X:"), "dbg!("];
    let skipped = [concat!("#[ig", "nore"), concat!("assert!(", "true)")];
    for source in sources() {
        for word in unfinished.iter().chain(&skipped) {
            let own = source.path == "tests/tidy.rs";
            assert!(own || !source.text.contains(word), "{} says {word}", source.path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: cut it by concept", source.path);
        if !source.is_test() {
            assert!(source.text.starts_with("//!"), "{} has no module doc", source.path);
        }
    }
}
