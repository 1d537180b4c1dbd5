//! The provider without a model: repeats what was said, so that everything runs without a key.

use futures_util::future::BoxFuture;

use super::{Completion, Failure, Provider, Request, Role, TextSink, TurnMessage};

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
        let text = format!("echo: {}", said.map(TurnMessage::plain).unwrap_or_default());
        sink(&text);
        Box::pin(std::future::ready(Ok(Completion::text(text))))
    }
}
