//! A published server over streamable HTTP.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use telson_actors::mcp::{McpServer, Transport};

use super::kit::{Rig, node, published, until};

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(port: u16) -> Self {
        let child = Command::new(node())
            .args([&published("server-everything"), "streamableHttp"])
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn config(&self) -> McpServer {
        let url = format!("http://127.0.0.1:{}/mcp?key=hush-hush", self.port);
        McpServer::new("web", Transport::Http { url, headers: Vec::new() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn crypto() {
    // The second test of this process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_at_an_address_is_called_lost_and_found_again() {
    crypto();
    let server = Server::start(free_port());
    let rig = Rig::new(&[server.config()]).await;
    // It may still be starting; then it is tried again.
    until("the server is up", || rig.note("web").starts_with("up").then_some(())).await;
    let answer = rig.turn(&[r#"web__get-sum {"a": 1, "b": 2}"#, "web__get-tiny-image"]).await;
    assert!(answer.contains("is 3") && answer.contains("[image, image/png"), "{answer}");

    let port = server.port;
    drop(server);
    let answer = rig.turn(&[r#"web__echo {"message": "are you there"}"#]).await;
    assert!(answer.contains("the MCP server web"), "{answer}");
    assert!(answer.contains("cannot be reached; the call was not made"), "{answer}");
    until("its state is shown", || rig.note("web").starts_with("down").then_some(())).await;
    assert!(!rig.note("web").contains("hush"), "the key is not shown: {}", rig.note("web"));

    let _server = Server::start(port);
    let mut answer = String::new();
    for _ in 0..40 {
        answer = rig.turn(&[r#"web__echo {"message": "back"}"#]).await;
        if answer == "Echo: back" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(answer, "Echo: back");
    rig.stop().await;
}
