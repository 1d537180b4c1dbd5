//! What every provider must do: stream an answer whose pieces are the whole. How the HTTP ones meet
//! every failure is in `actors/tests/provider_http.rs`.

use telson::actors::provider::anthropic::Anthropic;
use telson::actors::provider::gemini::Gemini;
use telson::actors::provider::ollama::Ollama;
use telson::actors::provider::openai::OpenAi;
use telson::actors::provider::responses::Responses;
use telson::actors::provider::{
    Echo, HttpConfig, Provider, Request, Role, StopReason, TurnMessage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn request() -> Request {
    let message = TurnMessage::text;
    Request {
        model: "m".into(),
        system: "be brief".into(),
        messages: vec![
            message(Role::User, "hi"),
            message(Role::Assistant, "hello"),
            message(Role::User, "spell déjà vu"),
        ],
        tools: vec![],
        may_call: true,
        must_call: false,
        output_tokens_max: 50,
    }
}

async fn suite(provider: &dyn Provider) {
    let mut pieces = String::new();
    let completion = provider
        .stream(&request(), &mut |piece: &str| pieces.push_str(piece))
        .await
        .expect("an answer");
    assert!(!completion.plain().is_empty());
    assert_eq!(pieces, completion.plain(), "what was streamed is what was answered");
    assert_eq!(completion.stop, StopReason::End);
}

/// Serves one prepared answer on a free port of this machine.
async fn serve(body: &'static str) -> String {
    serve_as("text/event-stream", body).await
}

async fn serve_as(content_type: &'static str, body: &'static str) -> String {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with its one connection")]
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 16 * 1024];
        let read = stream.read(&mut head).await.unwrap();
        assert!(read > 0);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    format!("http://{address}")
}

#[tokio::test]
async fn echo() {
    suite(&Echo).await;
}

#[tokio::test]
async fn openai() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"déjà\"}}]}\n\n\
                data: {\"choices\":[{\"delta\":{\"content\":\" vu\"},\"finish_reason\":\"stop\"}]}\n\n\
                data: [DONE]\n\n";
    suite(&OpenAi::new(HttpConfig::new(serve(body).await)).unwrap()).await;
}

#[tokio::test]
async fn responses() {
    let body = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"déjà vu\"}\n\n\
                event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
    suite(&Responses::new(HttpConfig::new(serve(body).await)).unwrap()).await;
}

#[tokio::test]
async fn gemini() {
    let body = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"déjà\"}]}}]}\n\n\
                data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" vu\"}]},\"finishReason\":\"STOP\"}]}\n\n";
    suite(&Gemini::new(HttpConfig::new(serve(body).await)).unwrap()).await;
}

#[tokio::test]
async fn ollama() {
    let body = "{\"message\":{\"content\":\"déjà\"},\"done\":false}\n\
                {\"message\":{\"content\":\" vu\"},\"done\":true}\n";
    let address = serve_as("application/x-ndjson", body).await;
    suite(&Ollama::new(HttpConfig::new(address)).unwrap()).await;
}

#[tokio::test]
async fn anthropic() {
    let body = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n\
                event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"déjà vu\"}}\n\n\
                event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
                event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    suite(&Anthropic::new(HttpConfig::new(serve(body).await)).unwrap()).await;
}
