//! When too much waits: stops get in all the same, and people are told why nobody answers.

use super::prepare::Prepared;
use super::{Myself, Router};
use crate::inbox::dedupe_key;
use crate::outbox::Draft;
use crate::router::admission::Admission;
use crate::router::busy;
use crate::router::pressure::{Pressure, is_stop};
use crate::router::route::Route;

impl Router {
    /// Sees to what can be done for an admission that found too much waiting.
    pub(super) fn turned_away(
        &mut self,
        myself: &Myself,
        admission: &Admission,
        pressure: &Pressure,
    ) {
        if pressure.admits_stops() {
            self.admit_stops(myself, admission);
        }
        if !pressure.is_congested() {
            self.tell_busy(myself, admission);
        }
    }

    /// The stops among refused messages are admitted by themselves. All of them are offered again
    /// with the others, and have no effect then.
    fn admit_stops(&mut self, myself: &Myself, admission: &Admission) {
        let mut stops = Admission::new(admission.account.clone());
        stops.inbound =
            admission.inbound.iter().filter(|inbound| is_stop(inbound)).cloned().collect();
        match self.prepare(stops) {
            Ok(prepared) if prepared.is_without_keys() => {}
            Ok(prepared) => self.submit(myself, prepared, None),
            Err(error) => tracing::debug!(%error, "nothing can be stopped"),
        }
    }

    /// The people whose messages are refused for now read why, each conversation once in a while.
    fn tell_busy(&mut self, myself: &Myself, admission: &Admission) {
        let mut prepared = Prepared::new(self.deps.clock.now());
        for inbound in admission.inbound.iter().filter(|inbound| !is_stop(inbound)) {
            let Route::Session { key, .. } = self.route_of(inbound) else { continue };
            let key_of_id = dedupe_key(&inbound.account, &inbound.dedupe_key);
            if self.is_known(&key_of_id, &prepared).unwrap_or(true)
                || !self.told_busy.tells(&inbound.reply_to, prepared.at)
            {
                continue;
            }
            let (to, text) = (inbound.reply_to.clone(), busy::TEXT.to_owned());
            let draft = Draft { session: key, turn: 0, to, text, speaker: None };
            if let Err(error) = prepared.reply(&self.deps.outbox, &draft) {
                tracing::debug!(%error, "nobody can be told that too much waits");
            }
        }
        if prepared.has_replies() {
            self.submit(myself, prepared, None);
        }
    }
}
