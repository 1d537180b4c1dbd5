//! What requests of both endpoints ask, read in one place. Pure.

use serde_json::Value;

use super::client_tools::{self, Form, Offer};
use super::fields::{flag, name, refuse_what_cannot_be, sampling, text};
use super::images;
use super::prompt::SaidIn;
use crate::gateway::http::error::HttpError;

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) user: Option<String>,
    pub(super) instructions: Vec<String>,
    pub(super) said: Vec<SaidIn>,
    pub(super) is_streamed: bool,
    /// The tools the client offers.
    pub(super) offer: Offer,
    /// Parameters that were understood and are not passed on.
    pub(super) not_applied: Vec<String>,
}

/// The conversation of a request: instructions by themselves, then what was said.
pub(super) type Conversation = (Vec<String>, Vec<SaidIn>);

impl Asked {
    /// Reads a request whose conversation is written in the endpoint's own way.
    pub(super) fn read(
        body: &Value,
        form: Form,
        conversation: impl FnOnce(&Value) -> Result<Conversation, HttpError>,
    ) -> Result<Self, HttpError> {
        let model =
            text(body, "model")?.ok_or_else(|| HttpError::param("model", "model is missing"))?;
        refuse_what_cannot_be(body)?;
        let not_applied = sampling(body)?;
        let offer = client_tools::read(body, form)?;
        let (instructions, said) = conversation(body)?;
        images::count(&said)?;
        let (is_streamed, user) = (flag(body, "stream")?, name(body, "user")?);
        Ok(Self { model, user, instructions, said, is_streamed, offer, not_applied })
    }
}
