//! Embeddings through the configured provider.

use serde_json::{Value, json};

use super::client_tools::published;
use super::kit::{Scene, Service, endpoints};

/// A gateway whose agents remember with the mock's vectors.
fn scene() -> Scene {
    let mut config = endpoints();
    config["agents"] = json!({
        "defaults": {
            "model": "mock/m",
            "memorySearch": {"provider": "mock", "model": "vectors"},
        },
        "entries": {"main": {"default": true}, "work": {}},
    });
    Scene::new(config)
}

fn ask(service: &Service, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let answer = service.post("/v1/embeddings", headers, body);
    (answer.status, answer.json())
}

#[test]
fn the_published_client_gets_a_vector_for_each_text() {
    let scene = scene();
    let service = scene.start();
    let script = "
        import OpenAI from 'openai';
        const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.TOKEN });
        const one = await client.embeddings.create({ model: 'openclaw', input: 'four' });
        const two = await client.embeddings.create(
            { model: 'mock/other', input: ['a', 'bb'], dimensions: 2, encoding_format: 'float' });
        console.log(JSON.stringify({ one, two }));";
    let seen = published(&service, "embeddings.mjs", script);
    // The client asks for base64 by itself and unpacks it.
    assert_eq!(seen["one"]["data"][0]["embedding"], json!([4, 0.5]));
    assert_eq!(seen["one"]["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    let vectors: Vec<&Value> =
        seen["two"]["data"].as_array().unwrap().iter().map(|it| &it["embedding"]).collect();
    assert_eq!(vectors, [&json!([1, 0.5]), &json!([2, 0.5])]);
    assert_eq!(scene.model.request("four")["model"], "vectors");
    let two = scene.model.request("bb");
    assert_eq!((&two["model"], &two["dimensions"]), (&json!("other"), &json!(2)));
    let named = [("x-openclaw-model", "mock/third")];
    let body = json!({"model": "openclaw/work", "input": "five!"});
    assert_eq!(ask(&service, &named, &body).0, 200);
    assert_eq!(scene.model.request("five!")["model"], "third");
    service.process.stop();
}

#[test]
fn what_has_no_embeddings_says_so_and_failures_are_told_by_kind() {
    let scene = scene();
    let service = scene.start();
    for (body, status, code) in [
        (json!({"model": "openclaw", "input": ""}), 400, Value::Null),
        (json!({"model": "openclaw", "input": [1, 2]}), 400, Value::Null),
        (json!({"model": "openclaw/nobody", "input": "x"}), 404, json!("model_not_found")),
        (json!({"model": "echo/x", "input": "x"}), 400, json!("embeddings_not_configured")),
        (json!({"model": "nowhere/x", "input": "x"}), 400, json!("embeddings_not_configured")),
        (json!({"model": "openclaw", "input": "FAIL"}), 502, Value::Null),
        (json!({"model": "openclaw", "input": "FEW"}), 502, Value::Null),
    ] {
        let (answered, answer) = ask(&service, &[], &body);
        assert_eq!((answered, &answer["error"]["code"]), (status, &code), "{body} {answer}");
    }
    // A server that fails for a moment is asked again.
    assert_eq!(ask(&service, &[], &json!({"model": "openclaw", "input": "STUMBLE"})).0, 200);
    assert_eq!(scene.model.asked("STUMBLE"), 2);
    let answer = service.send("POST", "/v1/embeddings", &[], "{}");
    assert_eq!(answer.status, 401);
    service.process.stop();
    let bare = Scene::new(endpoints());
    let service = bare.start();
    let (status, answer) = ask(&service, &[], &json!({"model": "openclaw", "input": "x"}));
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("embeddings_not_configured")));
    service.process.stop();
    let off = Scene::new(json!({}));
    let service = off.start();
    assert_eq!(ask(&service, &[], &json!({"model": "openclaw", "input": "x"})).0, 404);
    service.process.stop();
}

#[test]
fn ollama_is_asked_in_its_own_way() {
    let mut scene = Scene::new(endpoints());
    scene.configure(|config, model| {
        let url = model.base_url();
        config["models"]["providers"]["near"] =
            json!({"baseUrl": url.trim_end_matches("/v1"), "api": "ollama"});
    });
    let service = scene.start();
    let body = json!({"model": "near/nomic", "input": ["seven77", "a"]});
    let (status, answer) = ask(&service, &[], &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["data"][0]["embedding"], json!([7.0, 0.5]));
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    assert_eq!(scene.model.request("seven77")["encoding_format"], Value::Null);
    service.process.stop();
}
