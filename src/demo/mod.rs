//! Stand-ins for the parts of a Mac: a Messages database, the program that sends, and an audit.
//!
//! They let the whole service run on any machine, and they keep their own record of what went
//! out, so that nobody has to take the service's word for it.

pub mod audit;
pub mod imsg_double;
pub mod messages_db;
pub mod service;
pub mod stage;
pub mod typedstream;
