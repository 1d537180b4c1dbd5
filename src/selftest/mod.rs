//! The kill sweep: a real service is killed again and again while people write and jobs fall due, and
//! the outside world's own record says what was lost, doubled or reordered.
//!
//! [`plan`] decides what happens in each life of the service, [`sweep()`] performs it on several
//! worlds side by side, and [`report`] says what came of it. The tests and `telson selftest` are
//! the same sweep. A channel joins it by one line in [`CHANNELS`].

mod deeds;
pub mod disk;
mod errands;
mod imessage;
mod life;
mod model;
pub mod plan;
pub mod report;
mod sweep;
mod world;

pub use deeds::Deeds;
pub use sweep::{Request, has_ended, sweep};
pub use world::{Build, CHANNELS, Channel, SweepError, Unsettled, World};
