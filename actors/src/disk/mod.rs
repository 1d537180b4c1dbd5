//! Room on the disk: who is running out of it admits nothing more, and finishes what it has.

mod actor;
mod space;
mod watermark;

pub use actor::{DiskActor, DiskDeps, DiskMessage};
pub use space::{DiskReport, DiskSpace};
pub use watermark::Watermark;
