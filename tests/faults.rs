//! The faults of the world, one file each: clocks that are set, machines that sleep, disks that are
//! slow or fail, poison, hangs, floods, storms, interrupted turns, odd deliveries. Judged by the
//! platform's own ledger.

#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/flood.rs"]
mod flood;
#[path = "faults/hung.rs"]
mod hung;
#[path = "faults/inbound.rs"]
mod inbound;
#[path = "faults/model.rs"]
mod model;
#[path = "faults/poison.rs"]
mod poison;
#[path = "faults/reading.rs"]
mod reading;
#[path = "faults/resume.rs"]
mod resume;
#[path = "faults/size.rs"]
mod size;
#[path = "faults/store.rs"]
mod store;
#[path = "faults/storm.rs"]
mod storm;
mod support;
