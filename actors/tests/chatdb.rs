//! Reading a real database file in WAL mode beside a second connection that writes, as Messages does.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, ToSql, params};
use telson_actors::channel::imessage::chatdb::{ChatDb, ChatDbError, path_identity};
use telson_actors::channel::imessage::row::{Chat, OutgoingRow, SendState, apple_date};
use telson_actors::clock::Timestamp;
use tempfile::TempDir;

const BUSY: Duration = Duration::from_millis(50);
const ALICE: &str = "+15551230001";
const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// The columns of a current macOS, as far as they are read.
const CURRENT: &str = "
CREATE TABLE _SqliteDatabaseProperties (key TEXT, value TEXT, UNIQUE(key));
INSERT INTO _SqliteDatabaseProperties VALUES ('_UniqueIdentifier', 'DB-1');
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, service TEXT);
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL,
  style INTEGER, chat_identifier TEXT, service_name TEXT, room_name TEXT, account_login TEXT,
  last_addressed_handle TEXT, display_name TEXT);
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL,
  text TEXT, handle_id INTEGER DEFAULT 0, attributedBody BLOB, service TEXT,
  error INTEGER DEFAULT 0, date INTEGER, date_delivered INTEGER, is_delivered INTEGER DEFAULT 0,
  is_from_me INTEGER DEFAULT 0, is_sent INTEGER DEFAULT 0, was_downgraded INTEGER DEFAULT 0,
  is_audio_message INTEGER DEFAULT 0, item_type INTEGER DEFAULT 0,
  associated_message_guid TEXT, associated_message_type INTEGER DEFAULT 0,
  balloon_bundle_id TEXT, destination_caller_id TEXT, is_spam INTEGER DEFAULT 0,
  date_edited INTEGER);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT, uti TEXT,
  mime_type TEXT, transfer_state INTEGER DEFAULT 0, transfer_name TEXT, total_bytes INTEGER,
  is_sticker INTEGER DEFAULT 0, hide_attachment INTEGER DEFAULT 0);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER,
  PRIMARY KEY (chat_id, message_id));
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER);
CREATE INDEX message_idx_date ON message(date);";

/// Nothing but what every version has.
const BARE: &str = "
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL);
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL);
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL,
  text TEXT, handle_id INTEGER DEFAULT 0, service TEXT, date INTEGER,
  is_from_me INTEGER DEFAULT 0);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER);";

/// The archive of `Hello`.
const HELLO: &[u8] =
    b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\
\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+\x05Hello\x86\x86";

struct Messages {
    writer: Connection,
    path: PathBuf,
    _dir: TempDir,
}

impl Messages {
    fn new(schema: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("chat.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch(schema).unwrap();
        Self { writer, path, _dir: dir }
    }

    fn current() -> Self {
        Self::new(CURRENT)
    }

    fn open(&self) -> ChatDb {
        ChatDb::open(&self.path, BUSY).unwrap()
    }

    fn insert(&self, table: &str, columns: &[(&str, &dyn ToSql)]) -> i64 {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let marks = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(","));
        let values: Vec<_> = columns.iter().map(|(_, value)| *value).collect();
        self.writer.execute(&sql, values.as_slice()).unwrap();
        self.writer.last_insert_rowid()
    }

    fn message(&self, guid: &str, columns: &[(&str, &dyn ToSql)]) -> i64 {
        let date = apple_date(NOW);
        let mut all: Vec<(&str, &dyn ToSql)> = vec![("guid", &guid), ("date", &date)];
        all.extend(columns);
        self.insert("message", &all)
    }

    fn handle(&self, id: &str) -> i64 {
        self.insert("handle", &[("id", &id)])
    }

    fn chat(&self, guid: &str) -> i64 {
        let identifier = guid.rsplit(';').next().unwrap();
        self.insert("chat", &[("guid", &guid), ("style", &45), ("chat_identifier", &identifier)])
    }

    fn join(&self, chat: i64, message: i64) {
        self.insert("chat_message_join", &[("chat_id", &chat), ("message_id", &message)]);
    }

    fn attach(&self, message: i64, columns: &[(&str, &dyn ToSql)]) {
        let file = self.insert("attachment", columns);
        self.insert(
            "message_attachment_join",
            &[("message_id", &message), ("attachment_id", &file)],
        );
    }
}

#[test]
fn a_message_is_read_with_everything_around_it() {
    let messages = Messages::current();
    let handle = messages.handle("Carol@Example.com");
    let later = messages.chat("SMS;-;carol@example.com");
    let chat = messages.chat("any;-;carol@example.com");
    let rowid = messages.message(
        "G",
        &[
            ("text", &"stale copy"),
            ("attributedBody", &HELLO),
            ("handle_id", &handle),
            ("service", &"iMessage"),
            ("date_edited", &5),
            ("destination_caller_id", &"me@example.com"),
            ("associated_message_guid", &"p:0/X"),
            ("associated_message_type", &3),
            ("balloon_bundle_id", &"app"),
            ("is_audio_message", &1),
            ("is_spam", &1),
        ],
    );
    messages.join(chat, rowid);
    messages.join(later, rowid);
    messages.attach(
        rowid,
        &[
            ("filename", &"~/a.heic"),
            ("mime_type", &"image/heic"),
            ("transfer_state", &5),
            ("transfer_name", &"a.heic"),
            ("total_bytes", &77),
            ("is_sticker", &1),
        ],
    );
    messages.attach(rowid, &[("filename", &"~/x.pluginPayloadAttachment")]);

    let row = messages.open().row(rowid).unwrap().unwrap();
    assert_eq!((row.rowid, row.guid.as_str()), (rowid, "G"));
    assert_eq!(row.body.as_deref(), Some("Hello"), "the blob comes before the column");
    assert_eq!(row.written_at(), Some(NOW));
    assert_eq!((row.date_edited, row.associated_type), (5, 3));
    assert!(row.is_spam && row.is_audio && !row.is_from_me && !row.is_deleted);
    assert_eq!(row.associated_guid.as_deref(), Some("p:0/X"));
    assert_eq!(row.balloon.as_deref(), Some("app"));
    assert_eq!(row.sender.as_deref(), Some("Carol@Example.com"));
    assert_eq!(row.destination_caller_id.as_deref(), Some("me@example.com"));
    let found = row.chat.as_ref().unwrap();
    assert_eq!(found.guid, "SMS;-;carol@example.com", "the lowest of several chats");
    assert_eq!((found.rowid, found.style), (later, 45));
    let [image, hidden] = row.files.as_slice() else { panic!("{row:?}") };
    assert!(image.is_done() && image.is_sticker && !image.is_hidden);
    assert_eq!((image.media_type.as_deref(), image.bytes), (Some("image/heic"), 77));
    assert_eq!((image.name.as_deref(), image.path.as_deref()), (Some("a.heic"), Some("~/a.heic")));
    assert!(hidden.is_hidden && !hidden.is_done());
    assert_eq!(row.visible_files().count(), 1);
}

#[test]
fn what_lands_in_later_commits_is_seen_without_reopening() {
    let messages = Messages::current();
    let chat = messages.chat("any;-;+15551230001");
    let db = messages.open();
    let before = db.data_version().unwrap();
    assert_eq!(db.data_version().unwrap(), before);

    let rowid = messages.message("G", &[]);
    assert_ne!(db.data_version().unwrap(), before);
    let row = db.row(rowid).unwrap().unwrap();
    assert_eq!((row.body, row.chat, row.sender), (None, None, None));

    messages.join(chat, rowid);
    messages
        .writer
        .execute("UPDATE message SET text = 'late', is_from_me = 1 WHERE ROWID = ?", [rowid])
        .unwrap();
    let row = db.row(rowid).unwrap().unwrap();
    assert_eq!(row.body.as_deref(), Some("late"));
    assert!(row.is_from_me && row.chat.is_some());
    assert_eq!(db.row(rowid + 1).unwrap(), None);
}

#[test]
fn rows_are_listed_above_a_cursor_and_since_a_date() {
    let messages = Messages::current();
    let db = messages.open();
    assert_eq!(db.max_rowid().unwrap(), 0);
    messages.message("A", &[("ROWID", &10)]);
    messages.message("B", &[("ROWID", &20)]);
    let old = apple_date(NOW.minus(Duration::from_hours(1)));
    messages
        .writer
        .execute("INSERT INTO message (ROWID, guid, date) VALUES (30, 'C', ?)", [old])
        .unwrap();
    messages.message("D", &[("ROWID", &5)]);

    let pair = |rowid, guid: &str| (rowid, guid.to_owned());
    assert_eq!(db.max_rowid().unwrap(), 30);
    assert_eq!(db.guids_above(5, 10).unwrap(), [pair(10, "A"), pair(20, "B"), pair(30, "C")]);
    assert_eq!(db.guids_above(5, 2).unwrap(), [pair(10, "A"), pair(20, "B")]);
    assert_eq!(db.guids_above(30, 10).unwrap(), []);
    let recent: BTreeSet<_> = db
        .guids_since(NOW.minus(Duration::from_mins(10)), 10)
        .unwrap()
        .into_iter()
        .map(|(_, guid)| guid)
        .collect();
    assert_eq!(recent, BTreeSet::from(["A".into(), "B".into(), "D".into()]));
    assert_eq!(db.guid_at(20).unwrap().as_deref(), Some("B"));
    assert_eq!(db.guid_at(21).unwrap(), None);
}

#[test]
fn deleted_rows_are_told_from_rows_that_wait_for_their_chat() {
    let messages = Messages::current();
    let chat = messages.chat("any;-;+15551230001");
    let waiting = messages.message("W", &[]);
    let deleted = messages.message("D", &[]);
    messages
        .insert("chat_recoverable_message_join", &[("chat_id", &chat), ("message_id", &deleted)]);
    let db = messages.open();
    assert!(!db.row(waiting).unwrap().unwrap().is_deleted);
    assert!(db.row(deleted).unwrap().unwrap().is_deleted);
}

#[test]
fn own_addresses_come_from_chats_and_messages() {
    let messages = Messages::current();
    for (number, login, last) in
        [(1, "E:Me@Example.com", "+15550009999"), (2, "P:+15550008888", ""), (3, "E:", " ")]
    {
        messages
            .writer
            .execute(
                "INSERT INTO chat (guid, account_login, last_addressed_handle) VALUES (?, ?, ?)",
                params![number, login, last],
            )
            .unwrap();
    }
    messages.message("A", &[("destination_caller_id", &"other@example.com")]);
    messages.message("B", &[("destination_caller_id", &"Other@Example.com")]);
    let own = messages.open().own_addresses().unwrap();
    let expected = ["+15550008888", "+15550009999", "me@example.com", "other@example.com"];
    assert_eq!(own, BTreeSet::from(expected.map(String::from)));
}

#[test]
fn our_own_rows_tell_what_became_of_them() {
    let messages = Messages::current();
    let handle = messages.handle(ALICE);
    let ghost_handle = messages.handle("any;+;chat617");
    let chat = messages.chat("any;-;+15551230001");
    let sms = messages.chat("SMS;-;+15551230001");
    let base = messages.message("before", &[("is_from_me", &1)]);
    messages.message("theirs", &[("text", &"hi")]);
    let sent = messages.message(
        "sent",
        &[
            ("is_from_me", &1),
            ("attributedBody", &HELLO),
            ("handle_id", &handle),
            ("is_sent", &1),
            ("service", &"iMessage"),
            ("was_downgraded", &1),
        ],
    );
    messages.join(sms, sent);
    messages.join(chat, sent);
    messages.message("failed", &[("is_from_me", &1), ("error", &22), ("text", &"no")]);
    messages.message("arrived", &[("is_from_me", &1), ("date_delivered", &9)]);
    messages
        .message("ghost", &[("is_from_me", &1), ("service", &"SMS"), ("handle_id", &ghost_handle)]);

    let db = messages.open();
    let rows = db.outgoing_above(base).unwrap();
    let guids: Vec<_> = rows.iter().map(|row| row.guid.as_str()).collect();
    assert_eq!(guids, ["sent", "failed", "arrived", "ghost"]);
    let states: Vec<_> = rows.iter().map(OutgoingRow::send_state).collect();
    let failed = SendState::Failed { code: 22 };
    assert_eq!(states, [SendState::Sent, failed, SendState::Delivered, SendState::Pending]);
    assert_eq!(rows[0].text.as_deref(), Some("Hello"));
    assert_eq!(rows[0].handle.as_deref(), Some(ALICE));
    let chats: Vec<_> = rows[0].chats.iter().map(|chat| chat.guid.as_str()).collect();
    assert_eq!(chats, ["any;-;+15551230001", "SMS;-;+15551230001"]);
    let ghosts: Vec<_> = rows.iter().map(|row| row.is_ghost).collect();
    assert_eq!(ghosts, [false, false, false, true]);
    assert_eq!(rows[3].handle.as_deref(), Some("any;+;chat617"));

    let found = db.send_status("sent").unwrap().unwrap();
    assert_eq!((found.state, found.was_downgraded), (SendState::Sent, true));
    assert_eq!(found.service.as_deref(), Some("iMessage"));
    assert_eq!(db.send_status("failed").unwrap().unwrap().state, failed);
    assert_eq!(db.send_status("unknown").unwrap(), None);
}

#[test]
fn chats_are_found_by_every_name() {
    let messages = Messages::current();
    let first = messages.chat("iMessage;-;+15551230001");
    let second = messages.chat("SMS;-;+15551230001");
    let db = messages.open();
    assert_eq!(db.chat_by_rowid(first).unwrap().unwrap().guid, "iMessage;-;+15551230001");
    assert_eq!(db.chat_by_guid("SMS;-;+15551230001").unwrap().unwrap().rowid, second);
    let rowids: Vec<_> =
        db.chats_by_identifier(ALICE).unwrap().iter().map(|chat| chat.rowid).collect();
    assert_eq!(rowids, [first, second]);
    assert_eq!(db.chat_by_rowid(99).unwrap(), None);
    assert_eq!(db.chat_by_guid("any;-;nobody").unwrap(), None);
    assert_eq!(db.chats_by_identifier("nobody").unwrap(), []);
}

#[test]
fn a_database_without_optional_columns_is_read_all_the_same() {
    let messages = Messages::new(BARE);
    let handle = messages.handle(ALICE);
    let chat = messages.insert("chat", &[("guid", &"iMessage;-;+15551230001")]);
    let rowid = messages.message("G", &[("text", &"hello"), ("handle_id", &handle)]);
    messages.join(chat, rowid);
    messages.message("O", &[("is_from_me", &1)]);

    let db = messages.open();
    let row = db.row(rowid).unwrap().unwrap();
    assert_eq!(row.body.as_deref(), Some("hello"));
    assert_eq!(row.chat.as_ref().map(Chat::address), Some(ALICE));
    assert_eq!((row.files.len(), row.date_edited, row.is_spam), (0, 0, false));
    assert_eq!(db.outgoing_above(0).unwrap().len(), 1);
    assert_eq!(db.send_status("O").unwrap().unwrap().state, SendState::Pending);
    assert_eq!(db.own_addresses().unwrap(), BTreeSet::new());
    assert_eq!(db.chats_by_identifier(ALICE).unwrap(), []);
    assert_eq!(db.identity().unwrap().unique_id, None);
}

#[test]
fn values_of_odd_types_do_not_stop_the_reader() {
    let messages = Messages::current();
    let rowid = messages.message(
        "G",
        &[
            ("text", &b"caf\xff".as_slice()),
            ("attributedBody", &"not an archive"),
            ("is_from_me", &"1"),
            ("item_type", &2.0),
            ("service", &42),
        ],
    );
    let row = messages.open().row(rowid).unwrap().unwrap();
    assert_eq!(row.body.as_deref(), Some("caf\u{fffd}"));
    assert!(row.is_from_me);
    assert_eq!((row.item_type, row.service.as_deref()), (2, Some("42")));
}

#[test]
fn a_replaced_file_is_told_by_its_name_while_the_old_one_is_still_read() {
    let messages = Messages::current();
    messages.message("old", &[]);
    let db = messages.open();
    let identity = db.identity().unwrap();
    assert_eq!(identity.unique_id.as_deref(), Some("DB-1"));
    assert_eq!(path_identity(&messages.path).unwrap(), identity.file);

    let other = Messages::current();
    other.writer.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    fs::rename(&other.path, &messages.path).unwrap();
    assert_ne!(path_identity(&messages.path).unwrap(), identity.file);
    assert_eq!(db.identity().unwrap().file, identity.file);
    assert_eq!(db.guid_at(1).unwrap().as_deref(), Some("old"));
}

#[test]
fn an_idle_reader_never_keeps_messages_from_checkpointing() {
    let messages = Messages::current();
    let db = messages.open();
    for number in 0..50 {
        let rowid = messages.message(&number.to_string(), &[("text", &"x")]);
        db.row(rowid).unwrap();
        db.guids_above(0, 5).unwrap();
        db.outgoing_above(0).unwrap();
    }
    let busy: i64 =
        messages.writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    let wal = messages.path.with_file_name("chat.db-wal");
    assert_eq!(fs::metadata(wal).unwrap().len(), 0);
    assert_eq!(db.max_rowid().unwrap(), 50);
}

#[test]
fn a_writer_that_holds_its_lock_does_not_block_reading() {
    let messages = Messages::current();
    messages.message("A", &[]);
    let db = messages.open();
    messages.writer.execute_batch("BEGIN EXCLUSIVE; DELETE FROM message").unwrap();
    assert_eq!(db.max_rowid().unwrap(), 1);
    messages.writer.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn files_that_are_no_chat_db_are_refused_by_kind() {
    let dir = TempDir::new().unwrap();
    let open = |name: &str| ChatDb::open(dir.path().join(name), BUSY).unwrap_err();

    let missing = open("missing.db");
    assert!(missing.is_retryable(), "{missing}");
    assert!(missing.clone().persisting().is_retryable(), "not a matter of permission: {missing}");

    fs::write(dir.path().join("noise.db"), vec![7; 8192]).unwrap();
    assert!(matches!(open("noise.db"), ChatDbError::Damaged { .. }));

    Connection::open(dir.path().join("other.db"))
        .unwrap()
        .execute_batch("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT)")
        .unwrap();
    let other = open("other.db");
    assert!(matches!(other, ChatDbError::Other { .. }));
    assert!(other.to_string().contains("table message lacks column text"), "{other}");
}

#[test]
fn codes_are_sorted_by_what_helps() {
    let sort = |code| ChatDbError::from_code(code, "why".into());
    // Busy, busy in recovery, locked, protocol, can't open, schema, I/O, and two of read-only.
    for code in [5, 261, 6, 15, 14, 17, 10, 266, 264, 1544] {
        assert!(sort(code).is_retryable(), "{code}");
    }
    assert_eq!(sort(23), ChatDbError::Permission { message: "why".into() });
    for code in [26, 11, 267] {
        assert!(matches!(sort(code), ChatDbError::Damaged { .. }), "{code}");
    }
    for code in [1, 13, 19] {
        assert!(matches!(sort(code), ChatDbError::Other { .. }), "{code}");
    }
    assert!(matches!(sort(14).persisting(), ChatDbError::Permission { .. }));
    assert!(sort(5).persisting().is_retryable());
}

#[test]
fn the_reader_moves_between_threads() {
    let messages = Messages::current();
    let rowid = messages.message("A", &[("text", &"hello")]);
    let db = messages.open();
    let row = std::thread::spawn(move || db.row(rowid)).join().unwrap().unwrap();
    assert_eq!(row.and_then(|row| row.body).as_deref(), Some("hello"));
}
