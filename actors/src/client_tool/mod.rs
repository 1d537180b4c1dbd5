//! Tools of whoever asks over an interface: offered to the model for the turn of one message, and
//! called by the one who asks, never from here.
//!
//! They are written down before their message is admitted, under its dedupe key, and go with the
//! commit that ends it. A turn whose model calls one of them ends there; the calls are in its
//! exchange, marked as handed over.

mod handing;
mod record;

pub use handing::{Offered, handed, results};
pub use record::{ClientTool, ClientTools, client_tools_key, client_tools_prefix};
