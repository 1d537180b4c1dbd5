//! A model that repeats what it is told, at once and in two pieces: a real HTTP server.

use std::net::SocketAddr;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves until the program ends; its base address.
pub(crate) async fn serve() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let routes = Router::new().route("/v1/chat/completions", post(answer));
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the bench")]
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}/v1")
}

async fn answer(Json(request): Json<Value>) -> impl IntoResponse {
    let text = told(&request);
    if request["stream"] != json!(true) {
        let message = json!({"role": "assistant", "content": text});
        let choices = json!([{"index": 0, "finish_reason": "stop", "message": message}]);
        return Json(json!({"choices": choices, "usage": usage()})).into_response();
    }
    let (first, rest) = text.split_at(text.len().min(6));
    let piece = |delta: Value, end: Value, usage: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": end}]);
        let chunk = json!({
            "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "mock",
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let body = [
        piece(json!({"role": "assistant", "content": first}), Value::Null, Value::Null),
        piece(json!({"content": rest}), Value::Null, Value::Null),
        piece(json!({}), json!("stop"), usage()),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn usage() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20})
}

/// The last thing a person said, as far as its mark can be found in it.
fn told(request: &Value) -> String {
    let messages = request["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let of_person = messages.iter().rev().filter(|message| message["role"] == "user");
    let texts = of_person.map(|message| message["content"].to_string());
    let marked = texts.filter_map(|text| {
        let from = text.find("MSG-")?;
        let mark = text[from..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?;
        Some(format!("echo: {mark}"))
    });
    marked.into_iter().next().unwrap_or_else(|| "echo: nothing".into())
}
