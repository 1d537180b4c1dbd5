//! The provider without a model: repeats what was said, so that everything runs without a key.

use futures_util::future::BoxFuture;

use super::request::{Completion, Failure, Request, Role, StopReason, Usage};
use super::{Provider, TextSink};

/// Answers `echo: <the last message>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Provider for Echo {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let said = request.messages.iter().rev().find(|message| message.role == Role::User);
        let text = format!("echo: {}", said.map_or("", |message| message.text.as_str()));
        sink(&text);
        Box::pin(std::future::ready(Ok(Completion {
            text,
            usage: Usage::default(),
            stop: StopReason::End,
        })))
    }
}
