//! The schema accepts everything the writer writes, and it reads back as it was written.

mod file;
mod inbound;

use std::time::Duration;

use super::*;
use crate::demo::typedstream::decode_text;

struct Fixture {
    _folder: tempfile::TempDir,
    db: MessagesDb,
    alice: Person,
    chat: Chat,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let db = MessagesDb::create(&folder.path().join("chat.db")).unwrap();
    let alice = db.person("+15551230001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&alice).unwrap();
    Fixture { _folder: folder, db, alice, chat }
}

impl Fixture {
    fn inbound(&self, text: &str, shape: Shape) -> Row {
        self.db.inbound(&self.chat, &self.alice, text, shape).unwrap()
    }

    fn value<T: rusqlite::types::FromSql>(&self, expression: &str, row: &Row) -> T {
        let query = format!("SELECT {expression} FROM message WHERE ROWID = ?1");
        self.db.connection.query_row(&query, [row.rowid], |found| found.get(0)).unwrap()
    }

    fn chats_of(&self, row: &Row) -> i64 {
        let joins = "(SELECT COUNT(*) FROM chat_message_join WHERE message_id = message.ROWID)";
        self.value(joins, row)
    }

    fn body(&self, row: &Row) -> Option<String> {
        let archive: Option<Vec<u8>> = self.value("attributedBody", row);
        archive.map(|bytes| decode_text(&bytes).unwrap())
    }

    fn text(&self, row: &Row) -> Option<String> {
        self.value("text", row)
    }
}
