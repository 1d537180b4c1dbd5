//! The engine inside another program: answers are printed, messages come from the command line.
//!
//! `cargo run --example embed -- "hello" "and again"`

use std::sync::Arc;
use std::time::Duration;

use telson::Engine;
use telson::actors::channel::Callback;
use telson::actors::clock::Timestamp;
use telson::actors::message::{AccountKey, Inbound};
use telson::actors::router::Access;
use telson::actors::store::MemoryBackend;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let account = AccountKey::new("terminal", "default");
    let printer = Callback::new(|part| {
        println!("to {}: {}", part.to.target, part.text);
        Ok(())
    });
    let engine = Engine::builder()
        .backend(Arc::new(MemoryBackend::new()))
        .channel(account.clone(), Arc::new(printer), None, Access::everybody())
        .start()
        .await?;
    for (number, text) in std::env::args().skip(1).enumerate() {
        let id = number.to_string();
        engine.inject(Inbound::direct(&account, &id, "you", &text, Timestamp(0))).await?;
    }
    engine.drain(Duration::from_secs(5)).await;
    engine.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
