//! The pure half of the iMessage channel: decoding, judging, converting and recognising rows.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod encoder;
mod inbound;
mod previews;
mod row;
mod rows;
mod text_hash;
mod typedstream;
mod verdict;
