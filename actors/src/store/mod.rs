//! Memory that survives: one committer owns all writes, and says "done" only when they are on disk.
//!
//! The room knows bytes, prefixes, batches and fences, and no meaning; each other room keeps its
//! record types and keys in its own `record.rs`. The words are those of a partitioned log
//! (partition, batch with a fence, ordered replay), so that a replicated store can stand behind the
//! same seam.
//!
//! Only this folder knows sled.

mod backend;
mod batch;
pub mod codec;
mod commits;
mod committer;
mod compaction;
pub mod durable;
mod error;
mod free_space;
mod generation;
mod handle;
mod key;
mod life;
mod lock;
mod log_check;
mod memory;
mod meta;
mod parts;
mod quarantine;
mod reading;
mod receive;
mod rescue;
mod reserve;
mod seal;
mod sequence;
mod sled_backend;
pub mod sweep;
mod tally;
mod waker;
mod writer;

pub use backend::{Backend, Pair};
pub use batch::{Batch, Epoch, Expect, Partition, Write};
pub use codec::{Record, RecordError};
pub use compaction::CompactionPolicy;
pub use error::StoreError;
pub use handle::{Store, StoreStats};
pub use key::{Key, Space};
pub use lock::StateLock;
pub use memory::{MemoryBackend, MemoryFault};
pub use quarantine::Damaged;
