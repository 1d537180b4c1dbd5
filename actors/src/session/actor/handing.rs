//! The tools of the client that asks: read for the turn of its message, and gone with its end.

use std::collections::BTreeSet;

use super::State;
use crate::channel::webchat;
use crate::client_tool::{ClientTools, Offered, client_tools_key};
use crate::inbox::InboxRecord;
use crate::message::{EnvelopeId, Inbound};
use crate::session::machine::{Event, SUMMARY_ROUND};
use crate::session::record::Said;
use crate::store::{Batch, StoreError};

/// The tools of the turn in flight, as they were read when it first asked.
#[derive(Default)]
pub(super) struct Offer {
    /// The turn, and how many messages it had.
    of: (u64, usize),
    offered: Offered,
}

impl State {
    /// What the client of this turn can do.
    pub(super) fn offered(&mut self, turn: u64) -> Result<&Offered, StoreError> {
        let session = self.session.as_ref();
        let of = (turn, session.map_or(0, super::Session::members_in_flight));
        if self.asking.offered.of != of {
            let mut known: Vec<ClientTools> = Vec::new();
            // Only who asks over an interface of the gateway's own brings any.
            let asked_by = session.into_iter().flat_map(super::Session::asked_by);
            for (account, id) in asked_by.filter(|(account, _)| **account == webchat::account()) {
                known.extend(self.deps.store.get(&client_tools_key(account, id))?);
            }
            self.asking.offered = Offer { of, offered: Offered::of(known) };
        }
        Ok(&self.asking.offered.offered)
    }

    /// Those of these messages that bring tools of their client.
    pub(super) fn with_client_tools<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a InboxRecord>,
    ) -> Result<BTreeSet<EnvelopeId>, StoreError> {
        let mut found = BTreeSet::new();
        for InboxRecord { envelope, .. } in messages {
            let Inbound { account, dedupe_key, .. } = &envelope.inbound;
            if *account == webchat::account()
                && self.deps.store.contains(&client_tools_key(account, dedupe_key))?
            {
                found.insert(envelope.id);
            }
        }
        Ok(found)
    }

    /// Whether the question of the turn in flight has to be answered with a call.
    pub(super) fn must_call(&self) -> bool {
        self.asking.offered.offered.must_call()
    }

    /// An answer that calls a tool of the client ends its turn.
    pub(super) fn handing(&mut self, event: Event) -> Result<Event, StoreError> {
        let Event::Answered(turn, round, completion) = event else { return Ok(event) };
        let is_awaited = self.session.as_ref().and_then(super::Session::turn_in_flight);
        if completion.calls().next().is_none() || round == SUMMARY_ROUND || is_awaited != Some(turn)
        {
            return Ok(Event::Answered(turn, round, completion));
        }
        let offered = self.offered(turn)?;
        if !offered.are_called(&completion) {
            return Ok(Event::Answered(turn, round, completion));
        }
        let mut completion = completion;
        offered.tell_apart(turn, &mut completion);
        let results = offered.in_place_of_results(&completion);
        Ok(Event::Handed(turn, round, completion, results))
    }

    /// What came along with the messages of a turn that ends. What is left by other ends the
    /// janitor takes.
    pub(super) fn forget_client_tools(&self, batch: &mut Batch, turn: u64, said: &[Said]) {
        let Offer { of, offered } = &self.asking.offered;
        if of.0 != turn || *offered == Offered::default() {
            return;
        }
        let account = webchat::account();
        for said in said {
            batch.delete(client_tools_key(&account, &said.platform_id));
        }
    }
}
