//! What the models cost: every answered call is counted in the commit that makes its answer durable,
//! so the sums are exact whenever the process dies.
//!
//! An answer that a crash took before it was durable is not counted: nobody knows its figures.
//! Days are those of UTC.

mod budget;
mod day;
mod meter;
mod price;
mod record;
mod report;
mod spent;
mod tally;

pub use budget::{Budget, Budgets};
pub use day::Day;
pub use meter::{DayMeter, Metered, SessionMeter};
pub use price::Price;
pub use record::{DayUsage, Refused, SessionUsage, day_usage_prefix, session_usage_key};
pub use report::{DaySum, Line, SessionSum, UsageReport, report};
pub use spent::spent;
pub use tally::Tally;
