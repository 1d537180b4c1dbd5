//! The same from a config file: profiles, their order, aliases and fallbacks, and where keys are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telson::config::parse;
use telson::{Builder, assemble};
use telson_actors::store::MemoryBackend;

use super::server::{Act, Server};
use super::support::{Platform, account, direct, idle, open_access};
use super::world::{KEYS, install_crypto};

/// An engine from a config whose environment holds the second key.
fn engine(platform: &Platform, config: &serde_json::Value) -> Builder {
    install_crypto();
    let env = |name: &str| (name == "SPARE_KEY").then(|| KEYS[1].to_owned());
    let loaded = parse(&config.to_string(), "telson.json", &env).unwrap();
    assert!(!format!("{:?}", loaded.config).contains("hush"), "a config shows no key");
    let assembly = assemble(&loaded.config, &env).unwrap();
    assert_eq!(assembly.warnings, Vec::<String>::new());
    assert_eq!(loaded.warnings.len(), 1, "known and not used: {:?}", loaded.warnings);
    assembly.builder.channel(account(), Arc::new(platform.clone()), None, open_access())
}

fn config(first: &Server, second: &Server) -> serde_json::Value {
    json!({
        "agents": {"defaults": {
            "model": {"primary": "first/big", "fallbacks": ["quick"]},
            "models": {"second/small": {"alias": "Quick", "params": {}}},
            "modelPolicy": {"allow": ["quick", "first/*"]},
        }},
        "models": {"providers": {
            "first": {"baseUrl": first.base_url()},
            "second": {"baseUrl": second.base_url(), "apiKey": KEYS[2]},
        }},
        "auth": {
            "profiles": {
                "first:a": {"provider": "first", "mode": "api_key", "email": "a@x.org", "key": KEYS[0]},
                "first:b": {"provider": "first", "mode": "token",
                            "key": {"source": "env", "id": "SPARE_KEY"}},
            },
            "order": {"first": ["first:a", "first:b"]},
            "cooldowns": {"billingBackoffHours": 1, "overloadedBackoffMs": 0},
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_in_their_order_then_the_fallback_under_its_alias() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(402, None)).await);
    let second = Server::start(Act::Say("from the second")).await;
    let engine = engine(&platform, &config(&first, &second))
        .backend(Arc::new(MemoryBackend::new()))
        .start()
        .await
        .unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(first.keys(), [KEYS[0], KEYS[1]]);
    assert_eq!(second.ledger(), [(KEYS[2].to_owned(), "small".to_owned())]);
    assert_eq!(platform.sent_to("anna").last().unwrap(), "from the second");
    engine.shutdown(Duration::from_millis(100)).await;
}

// Without an order the kinds are: a token comes before a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_order_tokens_come_first_and_without_a_list_nothing_steps_in() {
    let (platform, first) = (Platform::new(), Server::start(Act::Status(401, None)).await);
    let second = Server::start(Act::Say("from the second")).await;
    let mut config = config(&first, &second);
    config["auth"]["order"] = json!({});
    config["agents"]["entries"] = json!({"main": {"model": "first/big"}});
    let engine =
        engine(&platform, &config).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(first.keys(), [KEYS[1], KEYS[0]]);
    assert!(second.ledger().is_empty(), "an agent's own model is strict");
    assert!(platform.sent_to("anna")[0].contains("Tried: first/big (its key was refused)"));
    engine.shutdown(Duration::from_millis(100)).await;
}

// A key in a file of its owner's is used; the same file open to others is not, and is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_lie_in_a_file() {
    let (platform, first) = (Platform::new(), Server::start(Act::Say("ok")).await);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, json!({"first": {"key": KEYS[0]}}).to_string()).unwrap();
    let mut config = config(&first, &first);
    config["auth"] = json!({"profiles": {"first:a": {"provider": "first", "email": "a@x.org",
        "key": {"source": "file", "provider": "mine", "id": "/first/key"}}}});
    config["secrets"] =
        json!({"providers": {"mine": {"source": "file", "path": path, "timeoutMs": 1}}});
    let open = parse(&config.to_string(), "c.json", &|_| None).unwrap();
    assert!(open.warnings.iter().any(|line| line.contains("chmod 600")), "{:?}", open.warnings);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let engine =
        engine(&platform, &config).backend(Arc::new(MemoryBackend::new())).start().await.unwrap();
    engine.inject(direct("1", "anna", "hi")).await.unwrap();
    idle(&engine).await;
    assert_eq!(first.keys(), [KEYS[0]]);
    engine.shutdown(Duration::from_millis(100)).await;
}

#[test]
fn a_profile_without_a_key_is_named_and_left_out() {
    install_crypto();
    let text = r#"{
        models: {providers: {first: {baseUrl: "http://127.0.0.1:1/v1"}}},
        agents: {defaults: {model: "first/big"}},
        auth: {profiles: {"first:a": {provider: "first", mode: "oauth", email: "a@x.org"},
                          "gone:a": {provider: "gone"}}},
    }"#;
    let loaded = parse(text, "c.json", &|_| None).unwrap();
    assert!(loaded.warnings[1].contains("there is no provider \"gone\""), "{:?}", loaded.warnings);
    let assembly = assemble(&loaded.config, &|_| None).unwrap();
    assert_eq!(
        assembly.warnings,
        ["auth.profiles.\"first:a\" has no key, so it is not used: set its `key`"]
    );
}
