//! The stored shape of pairing: one book per account.

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
