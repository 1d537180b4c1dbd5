//! Typed key prefixes: one keyspace, so that one batch is atomic over every room.

/// The first byte of every key. Numbers are part of the stored format: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Space {
    /// The store's own records: format, epoch, sequence.
    Meta = 0x01,
    /// Parts of large values, which only the database's own file knows.
    Part = 0x02,
    /// Damaged records, set aside as they were found.
    Quarantine = 0x03,
    /// How far a channel account has read its platform.
    Cursor = 0x10,
    /// Platform ids already seen.
    Dedupe = 0x11,
    /// Admitted messages that are not answered yet.
    Inbox = 0x20,
    /// The journal of a turn in flight.
    Turn = 0x21,
    /// Facts about a session.
    Session = 0x22,
    /// What was said.
    Transcript = 0x23,
    /// How a session queues, where a person has said so.
    Queue = 0x24,
    /// What is noted about a turn in flight beside its steps.
    Aside = 0x26,
    /// Turns whose answer was not sent, and why.
    Unsent = 0x27,
    /// Entries to be delivered.
    Outbox = 0x30,
    /// Entries that were delivered.
    Receipt = 0x31,
    /// Previews of answers that stand on their platform.
    Preview = 0x32,
    /// Messages to the readers of a session over the gateway.
    WebChat = 0x33,
    /// What could not be finished.
    DeadLetter = 0x40,
    /// Direct senders waiting for approval, and those approved.
    Pairing = 0x50,
    /// Where direct senders who wait for approval are told about it.
    Caller = 0x76,
    /// What the turns of dead messages had done.
    DoneBefore = 0x77,
    /// What stands for the older part of a conversation.
    Summary = 0x25,
    /// The models that sessions have chosen.
    Model = 0x51,
    /// The state of auth profiles, and which session uses which.
    Profile = 0x52,
    /// What tool calls have brought about.
    Effect = 0x60,
    /// What the models have cost.
    Usage = 0x61,
    /// Jobs.
    CronJob = 0x70,
    /// Runs of jobs.
    CronRun = 0x71,
    /// Sessions of runs that are over.
    CronReap = 0x72,
    /// Where main sessions last spoke.
    CronPlace = 0x73,
    /// What happened, for agents to read with their next turn.
    SystemEvent = 0x74,
    /// How far heartbeats have got, and what they said.
    Heartbeat = 0x75,
    /// Devices that may connect to the gateway.
    Device = 0x78,
    /// Devices that have asked to.
    DeviceRequest = 0x79,
    /// What people have allowed of nodes.
    Node = 0x7a,
    /// What people have noted about a session.
    SessionNote = 0x7b,
    /// What was said in a session before it was begun anew.
    PastLife = 0x7c,
    /// Commands of jobs that were begun.
    CronCommand = 0x82,
    /// Tools that clients offer with messages that wait.
    ClientTools = 0x89,
    /// How much of its time the turn of a job has had.
    CronSpent = 0x8a,
    /// What calls under an idempotency key have come to.
    Answer = 0x8c,
    /// What nodes are to be asked once they come.
    NodeWork = 0x8d,
    /// What nodes were asked and could not do yet.
    NodeAction = 0x8e,
    /// What was put back to work, and what it was before.
    Replay = 0x8f,
}

impl Space {
    /// Spaces whose records are counted. Batches that add or remove such records say so.
    pub(super) const COUNTED: [Space; 4] =
        [Space::Inbox, Space::Outbox, Space::DeadLetter, Space::Quarantine];

    /// Spaces of the other rooms' records.
    pub(super) const RECORDS: [Space; 40] = [
        Space::Cursor,
        Space::Dedupe,
        Space::Inbox,
        Space::Turn,
        Space::Session,
        Space::Transcript,
        Space::Queue,
        Space::Aside,
        Space::Unsent,
        Space::Outbox,
        Space::Receipt,
        Space::Preview,
        Space::DeadLetter,
        Space::Pairing,
        Space::Caller,
        Space::DoneBefore,
        Space::Model,
        Space::Profile,
        Space::Effect,
        Space::Summary,
        Space::Usage,
        Space::CronJob,
        Space::CronRun,
        Space::CronReap,
        Space::CronPlace,
        Space::WebChat,
        Space::Device,
        Space::DeviceRequest,
        Space::SystemEvent,
        Space::Heartbeat,
        Space::SessionNote,
        Space::PastLife,
        Space::Node,
        Space::CronCommand,
        Space::ClientTools,
        Space::CronSpent,
        Space::Answer,
        Space::NodeWork,
        Space::NodeAction,
        Space::Replay,
    ];
}

/// A key: a space, then parts. Text parts end with a zero byte and numbers are big-endian, so keys
/// order naturally and one part can never run into the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The empty key of a space, which is also the prefix of all its keys.
    pub fn of(space: Space) -> Self {
        Self(vec![space as u8])
    }

    /// Adds a text part. Zero bytes, which no id of ours contains, are dropped.
    #[must_use]
    pub fn text(mut self, part: &str) -> Self {
        self.0.extend(part.bytes().filter(|byte| *byte != 0));
        self.0.push(0);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, part: u64) -> Self {
        self.0.extend(part.to_be_bytes());
        self
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A key read back from the store.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Whether it belongs to a space.
    pub fn is_in(&self, space: Space) -> bool {
        self.0.first() == Some(&(space as u8))
    }

    /// The key in a form that can be printed.
    pub fn readable(&self) -> String {
        String::from_utf8_lossy(&self.0).escape_debug().to_string()
    }

    /// The number the key ends with; zero if it is too short for one.
    pub fn last_number(&self) -> u64 {
        self.0.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_injective_and_ordered(a in "[a-z:%]{0,6}", b in "[a-z:%]{0,6}", n: u64, m: u64) {
            let left = Key::of(Space::Inbox).text(&a).number(n);
            let right = Key::of(Space::Inbox).text(&b).number(m);
            prop_assert_eq!(left == right, a == b && n == m);
            if a == b {
                prop_assert_eq!(left < right, n < m);
            }
            prop_assert_eq!(left.last_number(), n);
        }
    }
}
