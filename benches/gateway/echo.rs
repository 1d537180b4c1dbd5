//! The ceiling: a WebSocket server that reads a question's id and answers with a kept text.

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

#[derive(Deserialize)]
struct Question {
    id: String,
}

/// Serves until the program ends; its address. `payload` is what it answers.
pub(crate) async fn serve(payload: String) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            #[expect(clippy::disallowed_methods, reason = "it lives as long as the bench")]
            tokio::spawn(answer(stream, payload.clone()));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the bench")]
    tokio::spawn(accepting);
    format!("ws://{address}")
}

async fn answer(stream: TcpStream, payload: String) {
    stream.set_nodelay(true).unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    let challenge =
        r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":0}}"#;
    socket.send(Message::text(challenge)).await.unwrap();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let Question { id } = serde_json::from_str(&text).unwrap();
        let frame = format!(r#"{{"type":"res","id":"{id}","ok":true,"payload":{payload}}}"#);
        socket.send(Message::text(frame)).await.unwrap();
    }
}
