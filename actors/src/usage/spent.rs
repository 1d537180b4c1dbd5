//! Which budgets of a day are used up, for people.

use std::collections::BTreeMap;

use super::budget::Budgets;
use super::day::Day;
use super::record::{DayUsage, day_key};
use super::tally::Tally;
use crate::store::{Store, StoreError};

/// The budgets that stop calls on this day: whose they are (`all` or a session), and how much it is.
///
/// # Errors
/// A damaged record.
pub fn spent(
    store: &Store,
    budgets: &Budgets,
    day: Day,
) -> Result<Vec<(String, String)>, StoreError> {
    if !budgets.is_any() {
        return Ok(Vec::new());
    }
    let (mut all, mut sessions) = (Tally::default(), BTreeMap::<String, Tally>::new());
    for (_, record) in store.scan::<DayUsage>(&day_key(day))? {
        all = all.plus(record.tally);
        let own = sessions.entry(record.session.to_string()).or_default();
        *own = own.plus(record.tally);
    }
    let whole = budgets.day.spent(&all).map(|spent| ("all".to_owned(), spent));
    let own = sessions.into_iter().filter_map(|(session, tally)| {
        budgets.session_day.spent(&tally).map(|spent| (session, spent))
    });
    let told =
        |(whose, spent)| (whose, format!("is used up for today: {spent}; anew at 00:00 UTC"));
    Ok(whole.into_iter().chain(own).map(told).collect())
}
