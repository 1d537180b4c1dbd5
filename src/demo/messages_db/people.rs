//! The people and conversations of the database.

use rusqlite::{OptionalExtension, Row as SqlRow, params};

use super::writer::{EMPTY_PLIST, fresh_guid};
use super::{Error, MessagesDb, OWN_EMAIL, OWN_PHONE};

/// Style number of a chat with several people.
const STYLE_GROUP: i64 = 43;
/// Style number of a chat with one person.
const STYLE_DIRECT: i64 = 45;
/// State number of a chat one has joined.
const STATE_JOINED: i64 = 3;
const CHAT_COLUMNS: &str =
    "SELECT ROWID, guid, chat_identifier, service_name, style, display_name FROM chat";

/// The network a message travels on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Service {
    /// Apple's own.
    #[default]
    IMessage,
    /// Text message.
    Sms,
    /// Rich text message.
    Rcs,
}

impl Service {
    /// The name used in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::IMessage => "iMessage",
            Self::Sms => "SMS",
            Self::Rcs => "RCS",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "SMS" => Self::Sms,
            "RCS" => Self::Rcs,
            _ => Self::IMessage,
        }
    }

    /// The owner's address on this network.
    pub(super) fn own_address(self) -> &'static str {
        if self == Self::IMessage { OWN_EMAIL } else { OWN_PHONE }
    }

    /// The account column of a message.
    pub(super) fn account(self) -> String {
        let kind = if self == Self::IMessage { 'e' } else { 'p' };
        format!("{kind}:{}", self.own_address())
    }
}

/// Somebody who writes to us, on one network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    /// Place in the table of handles.
    pub rowid: i64,
    /// Phone number or e-mail address.
    pub handle: String,
    /// The network this handle is for.
    pub service: Service,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chat {
    /// Place in the table of chats.
    pub rowid: i64,
    /// Identity, such as `iMessage;-;+15551230001`.
    pub guid: String,
    /// The other person's handle, or the room's id.
    pub identifier: String,
    /// The network it runs on.
    pub service: Service,
    /// Whether several people take part.
    pub group: bool,
    /// The name shown, empty if it has none.
    pub name: String,
}

/// The ways to name a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatName {
    /// Place in the table of chats.
    Rowid(i64),
    /// Its identity.
    Guid(String),
    /// Handle or room id; of several chats the one on iMessage is meant.
    Identifier(String),
}

impl MessagesDb {
    /// The person with this handle on this network, made if unknown.
    pub fn person(&self, handle: &str, service: Service) -> Result<Person, Error> {
        let rowid = self.connection.query_row(
            "INSERT INTO handle (id, country, service, uncanonicalized_id)
             VALUES (?1, 'us', ?2, ?3)
             ON CONFLICT (id, service) DO UPDATE SET country = country RETURNING ROWID",
            params![handle, service.name(), handle.strip_prefix("+1")],
            |row| row.get(0),
        )?;
        Ok(Person { rowid, handle: handle.to_owned(), service })
    }

    /// The conversation with one person, made if there is none.
    pub fn direct_chat(&self, person: &Person) -> Result<Chat, Error> {
        let chat = Chat {
            rowid: 0,
            guid: format!("{};-;{}", person.service.name(), person.handle),
            identifier: person.handle.clone(),
            service: person.service,
            group: false,
            name: String::new(),
        };
        self.chat(chat, &[person])
    }

    /// The conversation with several people, made if there is none.
    /// `room` is its id, such as `chat617283945061728394`; the first member's network is used.
    pub fn group_chat(&self, room: &str, name: &str, members: &[&Person]) -> Result<Chat, Error> {
        let service = members.first().map_or(Service::IMessage, |member| member.service);
        let chat = Chat {
            rowid: 0,
            guid: format!("{};+;{room}", service.name()),
            identifier: room.to_owned(),
            service,
            group: true,
            name: name.to_owned(),
        };
        self.chat(chat, members)
    }

    /// Looks a chat up.
    pub fn find_chat(&self, name: &ChatName) -> Result<Chat, Error> {
        let (column, value): (_, &dyn rusqlite::ToSql) = match name {
            ChatName::Rowid(rowid) => ("ROWID", rowid),
            ChatName::Guid(guid) => ("guid", guid),
            ChatName::Identifier(identifier) => ("chat_identifier", identifier),
        };
        let query = format!(
            "{CHAT_COLUMNS} WHERE {column} = ?1 ORDER BY service_name = 'iMessage' DESC, ROWID"
        );
        let chat = self.connection.query_row(&query, [value], read_chat).optional()?;
        chat.ok_or_else(|| Error::NoChat(format!("{name:?}")))
    }

    /// The first chats of the database, oldest first.
    pub fn chats(&self, limit: usize) -> Result<Vec<Chat>, Error> {
        let query = format!("{CHAT_COLUMNS} ORDER BY ROWID LIMIT ?1");
        let mut statement = self.connection.prepare(&query)?;
        let chats = statement.query_map([limit_value(limit)], read_chat)?;
        Ok(chats.collect::<Result<_, _>>()?)
    }

    /// The handles of a chat's members, the owner left out.
    pub fn participants(&self, chat_rowid: i64) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT h.id FROM chat_handle_join j JOIN handle h ON h.ROWID = j.handle_id
             WHERE j.chat_id = ?1 ORDER BY h.ROWID",
        )?;
        let handles = statement.query_map([chat_rowid], |row| row.get(0))?;
        Ok(handles.collect::<Result<_, _>>()?)
    }

    fn chat(&self, chat: Chat, members: &[&Person]) -> Result<Chat, Error> {
        match self.find_chat(&ChatName::Guid(chat.guid.clone())) {
            Err(Error::NoChat(_)) => self.insert_chat(chat, members),
            found => found,
        }
    }

    fn insert_chat(&self, chat: Chat, members: &[&Person]) -> Result<Chat, Error> {
        let transaction = self.begin()?;
        let group_id = fresh_guid(&transaction)?;
        let rowid = transaction.query_row(
            "INSERT INTO chat (guid, style, state, chat_identifier, service_name, room_name,
                 account_login, last_addressed_handle, display_name, group_id,
                 successful_query, properties)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11) RETURNING ROWID",
            params![
                chat.guid,
                if chat.group { STYLE_GROUP } else { STYLE_DIRECT },
                STATE_JOINED,
                chat.identifier,
                chat.service.name(),
                chat.group.then_some(&chat.identifier),
                // The chat's login has the account's kind in upper case.
                chat.service.account().replace("e:", "E:").replace("p:", "P:"),
                chat.service.own_address(),
                chat.group.then_some(&chat.name),
                group_id,
                EMPTY_PLIST,
            ],
            |row| row.get(0),
        )?;
        for member in members {
            transaction.execute(
                "INSERT OR IGNORE INTO chat_handle_join (chat_id, handle_id) VALUES (?1, ?2)",
                [rowid, member.rowid],
            )?;
        }
        transaction.commit()?;
        Ok(Chat { rowid, ..chat })
    }
}

/// A limit as SQLite counts it.
pub(super) fn limit_value(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read_chat(row: &SqlRow<'_>) -> rusqlite::Result<Chat> {
    let service: String = row.get(3)?;
    Ok(Chat {
        rowid: row.get(0)?,
        guid: row.get(1)?,
        identifier: row.get(2)?,
        service: Service::from_name(&service),
        group: row.get::<_, i64>(4)? == STYLE_GROUP,
        name: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
    })
}
