//! Becoming quiet for a while: whoever wants to suspend the machine takes a lease, during which
//! nothing new begins; it ends when it is given back, or by itself.
//!
//! [`Intake`] is asked by everybody who begins work. The actor holds the lease; [`lease`] decides
//! who may have it. A lease lives in memory: a process that ends begins its next life without one.

mod actor;
mod handle;
mod intake;
pub mod lease;

pub use actor::{Blocker, SuspensionActor, SuspensionDeps, SuspensionMessage};
pub use handle::{
    Leased, OtherLease, Phase, Prepared, Refused, Standing, Suspension, SuspensionAbsent,
};
pub use intake::{Intake, Openness, Pass};
