//! Tools of whoever asks over an interface: offered to the model for the turn of one message, and
//! called by the one who asks, never from here.
//!
//! They are written down in the commit that admits their message, under its dedupe key, and go with
//! the one that ends it. Such a message takes a turn alone. A turn whose model calls one of them ends there; the calls are in its
//! exchange, marked as handed over.

mod handing;
mod record;
mod sweeping;

pub use handing::{Offered, handed, results};
pub use record::{ClientTool, ClientTools, client_tools_key, client_tools_prefix};
pub use sweeping::sweep_client_tools;
