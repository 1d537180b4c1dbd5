//! What is known about the disk, shared between the actor that looks and everybody who asks.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// The last look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DiskReport {
    /// Bytes that can still be written; `None` if nothing limits them.
    pub free_bytes: Option<u64>,
    /// Set while nothing is admitted: why, and what to do.
    pub shortage: Option<String>,
}

/// The shared report. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DiskSpace(Arc<Mutex<DiskReport>>);

impl DiskSpace {
    /// The last look.
    pub fn report(&self) -> DiskReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing is admitted, while nothing is.
    pub fn shortage(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shortage.clone()
    }

    pub(super) fn set(&self, report: DiskReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}
