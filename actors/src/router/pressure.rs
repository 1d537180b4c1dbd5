//! Whether there is room for one more admission.
//!
//! Each limit has its own reason: a full disk, too many messages without an answer, too many replies
//! of the account that are not out. A `/stop` gets in where nothing else does, for it makes room.

use super::admission::{Admission, AdmitError};
use crate::message::Inbound;
use crate::session::command::Command;

/// Stops that are taken in beyond the limit of waiting messages. Each ends as soon as its session
/// reads it.
const STOPS_MAX: u64 = 100;

/// What presses at one moment, and the limits.
#[derive(Debug, Clone, Default)]
pub(super) struct Pressure {
    /// Why nothing more may be kept, if the disk is nearly full.
    pub shortage: Option<String>,
    /// Unanswered messages, and how many there may be.
    pub waiting: u64,
    pub waiting_max: u64,
    /// The account's replies that are not out, and how many there may be.
    pub undelivered: usize,
    pub undelivered_max: usize,
}

impl Pressure {
    /// Lets an admission in, or says why not.
    ///
    /// # Errors
    /// What is short.
    pub(super) fn admits(&self, admission: &Admission) -> Result<(), AdmitError> {
        if let Some(shortage) = &self.shortage
            && !admission.is_only_cursor()
        {
            return Err(AdmitError::DiskFull(shortage.clone()));
        }
        if !admission.has_messages() {
            return Ok(());
        }
        let is_in = if brings_only_stops(admission) {
            self.admits_stops()
        } else {
            self.waiting < self.waiting_max
        };
        if !is_in {
            return Err(AdmitError::Busy { waiting: self.waiting });
        }
        if self.is_congested() {
            return Err(AdmitError::Congested { undelivered: self.undelivered });
        }
        Ok(())
    }

    /// Whether a stop still gets in.
    pub(super) fn admits_stops(&self) -> bool {
        self.waiting < self.waiting_max.saturating_add(STOPS_MAX)
    }

    /// Whether too many replies wait already to add one more.
    pub(super) fn is_congested(&self) -> bool {
        self.undelivered >= self.undelivered_max
    }
}

/// Whether a message is a stop, and nothing else.
pub(super) fn is_stop(inbound: &Inbound) -> bool {
    Command::parse(&inbound.text) == Some(Command::Stop)
}

fn brings_only_stops(admission: &Admission) -> bool {
    admission.relayed.is_empty() && admission.inbound.iter().all(is_stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ChatKind;
    use crate::router::testing::inbound;

    fn saying(texts: &[&str]) -> Admission {
        let message = |text: &&str| Inbound {
            text: (*text).to_owned(),
            ..inbound(ChatKind::Direct, "ann", "ann")
        };
        let inbound: Vec<Inbound> = texts.iter().map(message).collect();
        let account = crate::message::AccountKey::new("imessage", "default");
        Admission { inbound, ..Admission::new(account) }
    }

    fn waiting(waiting: u64) -> Pressure {
        Pressure { waiting, waiting_max: 10, undelivered_max: 5, ..Pressure::default() }
    }

    #[test]
    fn at_the_limit_of_waiting_messages_only_stops_get_in() {
        let (messages, stops) = (saying(&["hi", "/stop"]), saying(&["/stop", "/abort"]));
        assert!(waiting(9).admits(&messages).is_ok());
        let refused = waiting(10).admits(&messages);
        assert!(matches!(refused, Err(AdmitError::Busy { waiting: 10 })), "{refused:?}");
        assert!(waiting(109).admits(&stops).is_ok());
        assert!(matches!(waiting(110).admits(&stops), Err(AdmitError::Busy { waiting: 110 })));
    }

    #[test]
    fn what_brings_no_message_gets_in_until_the_disk_is_full() {
        let mut pressure = Pressure { undelivered: 5, ..waiting(1_000) };
        let mut record = saying(&[]);
        record.history.push("old".into());
        assert!(pressure.admits(&record).is_ok());
        pressure.shortage = Some("1 MiB free".into());
        assert!(matches!(pressure.admits(&record), Err(AdmitError::DiskFull(_))));
        let cursor = Admission { cursor: Some(vec![1]), ..saying(&[]) };
        assert!(pressure.admits(&cursor).is_ok(), "it takes the place of another");
    }

    #[test]
    fn an_account_whose_replies_are_not_out_brings_nothing_more() {
        let pressure = Pressure { undelivered: 5, ..waiting(0) };
        for texts in [["hi"], ["/stop"]] {
            let refused = pressure.admits(&saying(&texts));
            assert!(
                matches!(refused, Err(AdmitError::Congested { undelivered: 5 })),
                "{refused:?}"
            );
        }
        assert!(Pressure { undelivered: 4, ..waiting(0) }.admits(&saying(&["hi"])).is_ok());
    }
}
