//! Whole turns through a proxy that nobody here wrote: LiteLLM, in its published form. What it was
//! asked and what it asks of the server behind it is real; only the models are made up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails its test"
)]

#[path = "failover/server.rs"]
#[allow(dead_code, reason = "every test binary uses its own part")]
mod server;
mod support;

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use server::{Act, Server};
use support::{Platform, account, direct, idle, open_access};
use telson::config::parse;
use telson::{Engine, assemble};
use telson_actors::message::SessionKey;
use telson_actors::store::MemoryBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const MASTER_KEY: &str = "sk-the-proxys-own-key";
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/litellm/bin/litellm");
/// It reads half of Python before it listens.
const READY_IN: Duration = Duration::from_mins(4);

struct Proxy {
    base_url: String,
    /// Ends with this.
    _child: Child,
}

/// Starts the proxy in front of `upstream`.
async fn proxy(dir: &Path, upstream: &Server) -> Proxy {
    assert!(Path::new(PROGRAM).exists(), "run tests/litellm_install first: no {PROGRAM}");
    let model = |name: &str, params: serde_json::Value| {
        let mut all = json!({"model": format!("openai/{name}"), "api_key": "none"});
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        json!({"model_name": name, "litellm_params": all})
    };
    // A JSON document is a YAML document too.
    let config = json!({
        "model_list": [
            model("mocked", json!({"mock_response": "from the mock"})),
            model("limited", json!({"mock_response": "litellm.RateLimitError"})),
            // As a server that speaks chat completions only.
            model("behind", json!({"model": "hosted_vllm/behind", "api_base": upstream.base_url()})),
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": false},
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": MASTER_KEY},
    });
    let path = dir.join("litellm.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = File::create(dir.join("litellm.log")).unwrap();
    let child = Command::new(PROGRAM)
        .args(["--config", path.to_str().unwrap(), "--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let base_url = format!("http://127.0.0.1:{port}");
    let asking = async {
        while !is_alive(port).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ready = tokio::time::timeout(READY_IN, asking).await;
    let said = || std::fs::read_to_string(dir.join("litellm.log")).unwrap();
    assert!(ready.is_ok(), "it is not ready: {}", said());
    Proxy { base_url, _child: child }
}

async fn is_alive(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /health/liveliness HTTP/1.0\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().is_some_and(|status| status.contains(" 200 ")))
}

/// An engine that reaches the proxy in both protocols, each with a wrong key before the right one.
async fn engine(platform: &Platform, proxy: &Proxy) -> Engine {
    let config = json!({
        "agents": {"defaults": {
            "model": {"primary": "chat/limited", "fallbacks": ["messages/mocked"]},
        }},
        "models": {"providers": {
            "chat": {"baseUrl": format!("{}/v1", proxy.base_url)},
            "messages": {"baseUrl": proxy.base_url, "api": "anthropic-messages",
                         "apiKey": MASTER_KEY},
        }},
        "auth": {
            "profiles": {
                "chat:old": {"provider": "chat", "key": "sk-somebody-elses-key"},
                "chat:new": {"provider": "chat", "key": MASTER_KEY},
            },
            "order": {"chat": ["chat:old", "chat:new"]},
        },
    });
    let loaded = parse(&config.to_string(), "telson.json", &|_| None).unwrap();
    let assembly = assemble(&loaded.config, &|_| None).unwrap();
    let channel = Arc::new(platform.clone());
    let builder = assembly.builder.channel(account(), channel, None, open_access());
    let builder = builder.rules(|rules| {
        rules.session.dm_scope = telson_actors::message::session_key::DmScope::PerChannelPeer;
    });
    builder.backend(Arc::new(MemoryBackend::new())).start().await.unwrap()
}

// One proxy for all of it: it takes its time to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_through_the_published_proxy() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let (platform, dir) = (Platform::new(), tempfile::tempdir().unwrap());
    let upstream = Server::start(Act::Say("from behind the proxy")).await;
    let proxy = proxy(dir.path(), &upstream).await;
    let engine = engine(&platform, &proxy).await;
    for (sender, model, answer) in [
        // Streamed chat completions, after the proxy has refused the first key.
        ("anna", "chat/mocked", "from the mock"),
        // Streamed chat completions of a server that the proxy hands on.
        ("bert", "chat/behind", "from behind the proxy"),
        // Anthropic's events, translated by the proxy from that server's stream.
        ("cleo", "messages/behind", "from behind the proxy"),
        // One JSON document where a stream was asked for.
        ("dora", "messages/mocked", "from the mock"),
    ] {
        let session = SessionKey::parse(&format!("agent:main:fake:direct:{sender}")).unwrap();
        engine.choose_model(&session, Some(model)).await.unwrap();
        engine.inject(direct(sender, sender, "hi")).await.unwrap();
        idle(&engine).await;
        assert_eq!(platform.sent_to(sender), [answer], "{model}");
    }
    let asked: Vec<String> = upstream.ledger().into_iter().map(|(_, model)| model).collect();
    assert_eq!(asked, ["behind", "behind"], "one question for each turn");
    // Without a choice: the proxy reports a rate limit, and the other model steps in.
    engine.inject(direct("5", "emil", "hi")).await.unwrap();
    idle(&engine).await;
    let sent = platform.sent_to("emil");
    assert!(sent[0].contains("chat/limited can't answer at the moment (too many req"), "{sent:?}");
    assert_eq!(sent[1..], ["from the mock"]);
    engine.shutdown(Duration::from_millis(100)).await;
}
