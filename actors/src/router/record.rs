//! The stored shape of pairing: one book per account, and beside it where those who wait are told.

use super::callers::Callers;
use super::pairing::PairingBook;
use crate::message::AccountKey;
use crate::store::{Key, Record, Space};

impl Record for PairingBook {
    const VERSION: u8 = 1;
}

/// Where an account's book lives.
pub fn pairing_key(account: &AccountKey) -> Key {
    Key::of(Space::Pairing).text(&account.channel).text(&account.account)
}

impl Record for Callers {
    const VERSION: u8 = 1;
}

/// Where it is kept how those who wait on an account are reached.
pub(super) fn callers_key(account: &AccountKey) -> Key {
    Key::of(Space::Caller).text(&account.channel).text(&account.account)
}
