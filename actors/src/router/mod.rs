//! Who may speak, which agent answers, and in which session: decisions over plain rules.

mod access;
mod actor;
mod admission;
mod admissions;
mod bindings;
mod busy;
mod callers;
mod handle;
mod pairing;
mod pairings;
mod pressure;
mod record;
mod refusal;
mod route;
mod rules;
#[cfg(test)]
mod testing;

pub use access::{Decision, decide};
pub use actor::{CodeSource, RouterActor, RouterDeps, RouterMessage};
pub use admission::{Admission, AdmitError, Admitted, DeclinedRow, Relayed};
pub use admissions::Admissions;
pub use bindings::{NoAgent, choose_agent};
pub use handle::normalise;
pub use pairing::{
    CodeError, PAIRING_CODE_CHARS, PAIRING_LIFETIME, PAIRING_PENDING_MAX, PairingBook,
    PairingRequest, Requested,
};
pub use pairings::{AccountPairings, Judged, PairingError, Pairings, Verdict};
pub use record::pairing_key;
pub use refusal::Refusal;
pub use route::{Route, route};
pub use rules::{
    Access, AccessGroup, AccessGroups, AccountMatch, AgentId, Agents, Binding, DEFAULT_ACCOUNT,
    DmPolicy, GroupPolicy, GroupRules, GroupScope, PeerId, PeerMatch, Rules, SessionScope,
    SessionSettings,
};
