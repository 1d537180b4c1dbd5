//! The surface of OpenAI's API: chat completions, responses, models. A model is an agent here.
//!
//! A request is a message to a session, admitted before it is answered: a client that goes away
//! loses its connection, not its answer, and the same `Idempotency-Key` never asks twice.
//! Tools that come with a request are offered to the model for its turn, which ends where the model
//! calls one: the client makes the call, and its next request brings the result.
//! Pictures become files that the turn reads ([`pictures`]).
//! [`asked`] reads what both endpoints share, [`client_tools`] and [`images`] parts of it;
//! [`chat`], [`responses`], [`prompt`], [`target`] and [`shown`] decide; [`turn`] waits for the
//! engine; [`sse`] is the shell of a stream.

mod asked;
mod chat;
mod client_tools;
mod embeddings;
mod fields;
mod images;
mod pictures;
mod prompt;
mod responses;
mod shelf;
mod shown;
mod sse;
mod target;
mod turn;

pub(crate) use self::images::{BASE64, Picture};
pub(crate) use self::pictures::{keep_files, remove};

pub(super) use self::handlers::{chat_completions, embed, model, models, responses};

mod handlers;
