//! The shared vocabulary: what travels between rooms, and how it is named.

mod account;
mod address;
mod envelope;
pub mod session_key;

pub use account::{AccountKey, Destination};
pub use address::origin;
pub use envelope::{Attachment, ChatKind, Envelope, EnvelopeId, Inbound};
pub use session_key::SessionKey;
