//! What models say while they say it, for those who watch: embedders now, clients of the gateway
//! with it.
//!
//! The stream is for showing, not for deciding. Whoever reads too slowly misses pieces, is told how
//! many, and still gets the newest: the end of an answer carries its whole text. Nobody who reads
//! can hold up a model's answer.

mod event;
mod fan_out;
mod queue;

pub use event::{StreamEvent, StreamKind, StreamTool};
pub use fan_out::{AnswerSink, Item, QUEUED_MAX, Streams, Subscription};
