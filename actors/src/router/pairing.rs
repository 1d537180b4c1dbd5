//! Pairing: an unknown person gets a code, and the operator approves it.
//!
//! One book per account. A pairing is for direct messages; dismissing a request blocks nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::handle::normalise;
use crate::clock::Timestamp;

/// How long a code may be approved. Long enough to call the operator, short enough that forgotten
/// codes do not pile up; it also limits code messages to one an hour per person.
pub const PAIRING_LIFETIME: Duration = Duration::from_hours(1);

/// Requests that may wait per account. Strangers must not be able to fill the store or the
/// operator's screen.
pub const PAIRING_PENDING_MAX: usize = 3;

/// Length of a code in characters: 32 letters and digits each, so 40 bits.
pub const PAIRING_CODE_CHARS: usize = 8;

/// Without 0, O, 1 and I, which people mix up.
const ALPHABET: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'U',
    'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7', '8', '9',
];

/// One person's wish to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingRequest {
    /// The person's id, normalised.
    pub sender: String,
    /// What the operator types.
    pub code: String,
    /// When it was made.
    pub requested_at: Timestamp,
}

impl PairingRequest {
    /// Whether the code is too old. A request from far in the future (the clock has stepped back)
    /// counts as old too, or it would occupy its place until the clock catches up.
    pub fn expired(&self, now: Timestamp) -> bool {
        now.since(self.requested_at) >= PAIRING_LIFETIME
            || self.requested_at.since(now) >= PAIRING_LIFETIME
    }
}

/// What asking for a pairing leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// A new request: send the code, once.
    New {
        /// The code to send.
        code: String,
    },
    /// The person has a code already: send nothing.
    AlreadyPending,
    /// Too many people are waiting: send nothing.
    LimitReached,
    /// The person has been approved meanwhile.
    AlreadyPaired,
}

/// Why a code cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// No such request.
    #[error("no pairing request with this code is waiting; list the requests and check the code")]
    Unknown,
    /// Too late.
    #[error("the pairing code has expired; let the person write again to get a new one")]
    Expired,
}

/// The requests and approvals of one account, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingBook {
    pending: Vec<PairingRequest>,
    paired: BTreeSet<String>,
}

impl PairingBook {
    /// Notes that `sender` wants in. `random` makes the code.
    pub fn request(
        &mut self,
        sender: &str,
        now: Timestamp,
        random: [u8; PAIRING_CODE_CHARS],
    ) -> Requested {
        let sender = normalise(sender);
        self.pending.retain(|request| !request.expired(now));
        if self.paired.contains(&sender) {
            return Requested::AlreadyPaired;
        }
        if self.pending.iter().any(|request| request.sender == sender) {
            return Requested::AlreadyPending;
        }
        if self.pending.len() >= PAIRING_PENDING_MAX {
            return Requested::LimitReached;
        }
        let code = self.unused_code(random);
        let request = PairingRequest { sender, code: code.clone(), requested_at: now };
        self.pending.push(request);
        Requested::New { code }
    }

    /// Lets the person with this code in, and tells who it is.
    pub fn approve(&mut self, code: &str, now: Timestamp) -> Result<String, CodeError> {
        let request = self.take(code)?;
        if request.expired(now) {
            return Err(CodeError::Expired);
        }
        self.paired.insert(request.sender.clone());
        Ok(request.sender)
    }

    /// Removes a request without approving it. The person may ask again.
    pub fn dismiss(&mut self, code: &str) -> Result<PairingRequest, CodeError> {
        self.take(code)
    }

    /// Takes an approval back; tells whether there was one.
    pub fn revoke(&mut self, sender: &str) -> bool {
        self.paired.remove(&normalise(sender))
    }

    /// Whether the person has been approved.
    pub fn is_paired(&self, sender: &str) -> bool {
        self.paired.contains(&normalise(sender))
    }

    /// The requests that can still be approved, oldest first.
    pub fn pending(&self, now: Timestamp) -> impl Iterator<Item = &PairingRequest> {
        self.pending.iter().filter(move |request| !request.expired(now))
    }

    /// Everybody approved.
    pub fn paired(&self) -> impl Iterator<Item = &str> {
        self.paired.iter().map(String::as_str)
    }

    fn take(&mut self, code: &str) -> Result<PairingRequest, CodeError> {
        let code = code.trim();
        let mut codes = self.pending.iter();
        let at = codes.position(|request| request.code.eq_ignore_ascii_case(code));
        at.map(|at| self.pending.remove(at)).ok_or(CodeError::Unknown)
    }

    /// Two people with one code would make approving it a guess, so a used one moves on.
    fn unused_code(&self, mut random: [u8; PAIRING_CODE_CHARS]) -> String {
        loop {
            let code: String =
                random.iter().map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()]).collect();
            if self.pending.iter().all(|request| request.code != code) {
                return code;
            }
            // Few codes are waiting, so few steps lead to a free one.
            random[0] = random[0].wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code_of(requested: Requested) -> String {
        match requested {
            Requested::New { code } => code,
            other => panic!("no new request: {other:?}"),
        }
    }

    #[test]
    fn an_approved_person_is_paired_and_a_dismissed_one_may_ask_again() {
        let mut book = PairingBook::default();
        let now = Timestamp(1_000);
        let code = code_of(book.request(" Ann@X.org", now, [7; 8]));
        assert_eq!(book.request("ann@x.org", now, [8; 8]), Requested::AlreadyPending);
        assert!(!book.is_paired("ann@x.org"));
        let typed = format!(" {} ", code.to_lowercase());
        assert_eq!(book.approve(&typed, now), Ok("ann@x.org".to_owned()));
        assert!(book.is_paired("ANN@x.org"));
        assert_eq!(book.approve(&code, now), Err(CodeError::Unknown));
        assert_eq!(book.request("ann@x.org", now, [9; 8]), Requested::AlreadyPaired);
        assert!(book.revoke("ann@x.org") && !book.is_paired("ann@x.org"));

        let code = code_of(book.request("bob", now, [1; 8]));
        assert_eq!(book.dismiss(&code).map(|request| request.sender), Ok("bob".to_owned()));
        assert!(!book.is_paired("bob"));
        code_of(book.request("bob", now, [1; 8]));
    }

    #[test]
    fn the_fourth_waits_until_a_code_expires() {
        let mut book = PairingBook::default();
        let start = Timestamp(0);
        let codes: Vec<_> =
            ["a", "b", "c"].map(|sender| code_of(book.request(sender, start, [0; 8]))).into();
        assert_eq!(book.request("d", start, [0; 8]), Requested::LimitReached);
        let late = start.plus(PAIRING_LIFETIME);
        assert_eq!(book.approve(&codes[0], late), Err(CodeError::Expired));
        code_of(book.request("d", late, [0; 8]));
        assert_eq!(book.pending(late).count(), 1);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_block_the_account() {
        let mut book = PairingBook::default();
        for sender in ["a", "b", "c"] {
            code_of(book.request(sender, Timestamp(31_536_000_000), [3; 8]));
        }
        code_of(book.request("d", Timestamp(0), [3; 8]));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Request(u8, [u8; 8]),
        Approve(usize),
        Dismiss(usize),
        Pass(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..8, prop::array::uniform8(0_u8..4)).prop_map(|(s, r)| Step::Request(s, r)),
            1 => (0_usize..4).prop_map(Step::Approve),
            1 => (0_usize..4).prop_map(Step::Dismiss),
            2 => (-4_000_000_i64..4_000_000).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn nobody_is_paired_without_an_approval(steps in prop::collection::vec(step(), 0..60)) {
            let mut book = PairingBook::default();
            let mut now = Timestamp(10_000_000);
            let mut approved = BTreeSet::new();
            for step in steps {
                let code = |at: usize, book: &PairingBook| {
                    book.pending(now).nth(at).map(|r| (r.code.clone(), r.sender.clone()))
                };
                match step {
                    Step::Request(sender, random) => {
                        if let Requested::New { code } = book.request(&sender.to_string(), now, random) {
                            prop_assert_eq!(code.chars().count(), PAIRING_CODE_CHARS);
                            prop_assert!(!code.contains(['0', 'O', '1', 'I']));
                            prop_assert!(code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
                        }
                    }
                    Step::Approve(at) => if let Some((code, sender)) = code(at, &book) {
                        prop_assert_eq!(book.approve(&code, now), Ok(sender.clone()));
                        approved.insert(sender);
                    },
                    Step::Dismiss(at) => if let Some((code, sender)) = code(at, &book) {
                        prop_assert_eq!(book.dismiss(&code).unwrap().sender, sender);
                    },
                    Step::Pass(millis) => now = Timestamp(now.0 + millis),
                }
                let codes: BTreeSet<_> = book.pending.iter().map(|r| &r.code).collect();
                prop_assert_eq!(codes.len(), book.pending.len());
                prop_assert!(book.pending.len() <= PAIRING_PENDING_MAX);
                prop_assert!(book.paired().eq(approved.iter().map(String::as_str)));
            }
        }

        #[test]
        fn a_stored_book_reads_back(senders in prop::collection::vec("[a-z]{1,4}", 0..5)) {
            let mut book = PairingBook::default();
            for sender in &senders {
                if let Requested::New { code } = book.request(sender, Timestamp(5), [4; 8])
                    && sender.len() > 2
                {
                    book.approve(&code, Timestamp(6)).unwrap();
                }
            }
            let json = serde_json::to_string(&book).unwrap();
            prop_assert_eq!(serde_json::from_str::<PairingBook>(&json).unwrap(), book);
        }
    }
}
