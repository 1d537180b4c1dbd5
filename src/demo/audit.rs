//! Compares what should have been answered with what the Messages database says went out.
//!
//! The database is the outside view: it counts what people saw, whatever the service believes.

use std::collections::{BTreeSet, HashMap};

use super::messages_db::{Error, MessagesDb, OutgoingRow};

/// The result of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many answers were expected.
    pub sent: usize,
    /// How many of them went out, once or more often.
    pub answered: usize,
    /// Those that never went out.
    pub lost: Vec<Finding>,
    /// Those that went out more than once.
    pub doubled: Vec<Finding>,
    /// Those that went out behind an answer of the same chat that was asked for later.
    pub reordered: Vec<Finding>,
    /// Messages that reached somebody and answer nothing that was expected.
    pub unasked: usize,
}

/// An expected answer whose number of rows is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The chat it belongs into.
    pub chat_guid: String,
    /// The mark it was looked for by.
    pub needle: String,
    /// Rows that reached the recipient.
    pub delivered: usize,
    /// Rows Messages accepted and then failed: nobody saw those.
    pub failed: usize,
}

impl Audit {
    /// Whether every answer went out exactly once, whatever the order.
    pub fn exactly_once(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }
}

/// Looks for each needle among our messages in its chat. A needle has to be unique, such as
/// `[#17]`; a message in another chat does not count.
pub fn audit(db: &MessagesDb, expected: &[(String, String)]) -> Result<Audit, Error> {
    audit_except(db, expected, &BTreeSet::new())
}

/// The same, where a person has put the answers to these needles back to work: they go out once,
/// and out of order.
pub fn audit_except(
    db: &MessagesDb,
    expected: &[(String, String)],
    put_back: &BTreeSet<String>,
) -> Result<Audit, Error> {
    Ok(compare(&db.outgoing_rows()?, expected, put_back))
}

fn compare(
    rows: &[OutgoingRow],
    expected: &[(String, String)],
    put_back: &BTreeSet<String>,
) -> Audit {
    let mut chats: HashMap<&str, Vec<&OutgoingRow>> = HashMap::new();
    for row in rows {
        chats.entry(&row.chat_guid).or_default().push(row);
    }
    let mut audit = Audit { sent: expected.len(), ..Audit::default() };
    for (chat_guid, needle) in expected {
        let shown = chats.get(chat_guid.as_str()).map_or(&[][..], Vec::as_slice);
        audit.record(count(shown, chat_guid, needle));
    }
    let in_order = expected.iter().filter(|(_, needle)| !put_back.contains(needle));
    audit.reordered = out_of_order(&chats, in_order);
    audit.unasked = rows
        .iter()
        .filter(|row| row.error == 0)
        .filter(|row| !expected.iter().any(|(chat, needle)| row.answers(chat, needle)))
        .count();
    audit
}

/// The first place of each answer in its chat has to lie behind those of all before it.
fn out_of_order<'a>(
    chats: &HashMap<&str, Vec<&OutgoingRow>>,
    expected: impl Iterator<Item = &'a (String, String)>,
) -> Vec<Finding> {
    let mut latest: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut reordered = Vec::new();
    for (chat_guid, needle) in expected {
        let shown = chats.get(chat_guid.as_str()).map_or(&[][..], Vec::as_slice);
        // One message may answer several: then their order inside it counts.
        let place = shown
            .iter()
            .enumerate()
            .filter(|(_, row)| row.error == 0)
            .find_map(|(index, row)| row.text.find(needle).map(|offset| (index, offset)));
        let Some(place) = place else { continue };
        let latest = latest.entry(chat_guid).or_insert(place);
        if place < *latest {
            reordered.push(count(shown, chat_guid, needle));
        }
        *latest = place.max(*latest);
    }
    reordered
}

fn count(rows: &[&OutgoingRow], chat_guid: &str, needle: &str) -> Finding {
    let hits: Vec<_> = rows.iter().filter(|row| row.text.contains(needle)).collect();
    let failed = hits.iter().filter(|row| row.error != 0).count();
    Finding {
        chat_guid: chat_guid.to_owned(),
        needle: needle.to_owned(),
        delivered: hits.len() - failed,
        failed,
    }
}

impl OutgoingRow {
    fn answers(&self, chat_guid: &str, needle: &str) -> bool {
        self.chat_guid == chat_guid && self.text.contains(needle)
    }
}

impl Audit {
    fn record(&mut self, finding: Finding) {
        self.answered += usize::from(finding.delivered > 0);
        match finding.delivered {
            0 => self.lost.push(finding),
            1 => {}
            _ => self.doubled.push(finding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::messages_db::{Chat, OutgoingShape, Service};

    fn needle(chat: &Chat, number: usize) -> (String, String) {
        (chat.guid.clone(), format!("[#{number}]"))
    }

    #[test]
    fn a_planted_loss_and_a_planted_double_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap();
        let alice = db.person("+15551230001", Service::IMessage).unwrap();
        let bob = db.person("+15551230002", Service::IMessage).unwrap();
        let chat = db.direct_chat(&alice).unwrap();
        let other = db.direct_chat(&bob).unwrap();
        let shapes = [
            (1, OutgoingShape::Ok),
            (2, OutgoingShape::Double),
            (3, OutgoingShape::Failed),
            (3, OutgoingShape::Ok),
            (4, OutgoingShape::Failed),
            (5, OutgoingShape::Ghost),
            (6, OutgoingShape::Accepted),
        ];
        for (number, shape) in shapes {
            db.outgoing(&chat, &format!("answer to [#{number}]"), shape).unwrap();
        }
        db.outgoing(&other, "answer to [#7]", OutgoingShape::Ok).unwrap();
        let expected: Vec<_> = (1..=17).map(|number| needle(&chat, number)).collect();

        let audit = audit(&db, &expected).unwrap();

        let numbers = |findings: &[Finding]| -> Vec<_> {
            findings.iter().map(|found| (found.needle.clone(), found.failed)).collect()
        };
        let lost = |number: usize, failed| (format!("[#{number}]"), failed);
        let mut missing = vec![lost(4, 1), lost(5, 0)];
        missing.extend((7..=17).map(|number| lost(number, 0)));
        assert_eq!(numbers(&audit.lost), missing);
        assert_eq!(numbers(&audit.doubled), vec![lost(2, 0)]);
        assert_eq!((audit.sent, audit.answered), (17, 4));
        assert_eq!(audit.unasked, 1, "an answer in another chat");
        assert!(!audit.exactly_once());
    }

    #[test]
    fn a_planted_reorder_is_found_unless_a_person_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap();
        let chats = ["+15551230001", "+15551230002"].map(|handle| {
            let person = db.person(handle, Service::IMessage).unwrap();
            db.direct_chat(&person).unwrap()
        });
        let expected: Vec<_> = (1..=8).map(|number| needle(&chats[number % 2], number)).collect();
        // The second chat interleaves with the first, which is no reorder; one message answers two.
        for (chat, text) in
            [(1, "[#1]"), (0, "[#2]"), (1, "[#7]"), (0, "[#6] [#4]"), (1, "[#3] [#5]"), (0, "[#8]")]
        {
            db.outgoing(&chats[chat], text, OutgoingShape::Ok).unwrap();
        }
        let found = |put_back: &[&str]| -> Vec<String> {
            let put_back = put_back.iter().map(|&needle| needle.to_owned()).collect();
            let audit = audit_except(&db, &expected, &put_back).unwrap();
            assert!(audit.exactly_once() && audit.unasked == 0, "{audit:?}");
            audit.reordered.into_iter().map(|finding| finding.needle).collect()
        };

        assert_eq!(found(&[]), ["[#6]", "[#7]"]);
        assert_eq!(found(&["[#4]", "[#7]"]), [""; 0]);
    }

    #[test]
    fn everything_answered_once_is_exactly_once() {
        let folder = tempfile::tempdir().unwrap();
        let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap();
        let alice = db.person("+15551230001", Service::Sms).unwrap();
        let chat = db.direct_chat(&alice).unwrap();
        let expected: Vec<_> = (1..=20).map(|number| needle(&chat, number)).collect();
        for (_, mark) in &expected {
            db.outgoing(&chat, &format!("got {mark}"), OutgoingShape::Ok).unwrap();
        }

        let audit = audit(&db, &expected).unwrap();

        assert!(audit.exactly_once());
        assert_eq!(audit.answered, 20);
    }
}
