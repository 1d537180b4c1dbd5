//! The judgement, from the record of the outside.

use std::collections::BTreeSet;

use telson::Engine;
use telson_actors::dead_letter::Item as LetterItem;
use telson_actors::inbox::{DedupeRecord, Fate, dedupe_key};
use telson_actors::journey::{Journey, TurnView};
use telson_actors::store::codec::decode;

use super::disk::Disk;
use super::token::{Mark, Token, marks, tokens};
use super::world::World;

/// What waits for a person.
#[derive(Default)]
struct Letters {
    messages: Vec<Token>,
    parts: Vec<Mark>,
    /// Turns whose answers are not out as a whole.
    turns: BTreeSet<u64>,
}

impl Letters {
    fn of(engine: &Engine) -> Self {
        let mut letters = Self::default();
        for letter in engine.dead_letters().list().unwrap() {
            match letter.item {
                LetterItem::Inbound(record) => {
                    letters.messages.extend(tokens(record.envelope.inbound.text.as_bytes()));
                }
                LetterItem::Outbound(entry) => {
                    letters.parts.extend(marks(entry.text.as_bytes()));
                    letters.turns.insert(entry.turn);
                }
                LetterItem::Row { .. } => {}
            }
        }
        letters
    }
}

/// Nothing waits and nothing is on its way: D2, D5, D6 for everything that was acknowledged.
pub(crate) fn at_rest(world: &World, engine: &Engine, disk: &Disk) {
    world.state().settle_wire();
    let letters = Letters::of(engine);
    let acked: BTreeSet<Token> = {
        let state = world.state();
        state.items.iter().filter(|item| item.acked > 0).map(|item| item.token).collect()
    };
    for token in acked {
        if let Err(complaint) = account_for(world, disk, &letters, token) {
            world.state().complain(complaint);
        }
    }
}

/// One message: answered exactly once, or declined, or shown as a dead letter; never two of them.
fn account_for(world: &World, disk: &Disk, letters: &Letters, token: Token) -> Result<(), String> {
    let state = world.state();
    let set_aside = letters.messages.iter().filter(|named| **named == token).count();
    let rows: usize = token.marks().map(|mark| state.count_rows(mark)).sum();
    if world.person(token).is_stranger {
        let is_right = rows == 0 && set_aside == 0 && is_declined(world, disk, token);
        return is_right.then_some(()).ok_or(format!("D2: {token} is not simply declined"));
    }
    if set_aside > 1 || (set_aside == 1 && rows > 0) {
        return Err(format!("D2: {token} is {set_aside} dead letters and {rows} rows"));
    }
    if set_aside == 1 {
        return Ok(());
    }
    let is_dropped = state.dropped.contains(&token);
    for mark in token.marks() {
        let parked = letters.parts.iter().filter(|named| **named == mark).count();
        match state.count_rows(mark) + parked {
            1 => {}
            0 if is_dropped => {}
            0 => return Err(format!("lost: {mark} is neither out nor shown")),
            _ => return Err(format!("doubled: {mark} is out or shown more than once")),
        }
    }
    Ok(())
}

fn is_declined(world: &World, disk: &Disk, token: Token) -> bool {
    let key = dedupe_key(&world.plan.accounts[token.account].key, &format!("id-{token}"));
    let record = disk.synced(&key).map(|bytes| decode::<DedupeRecord>(&key, &bytes).unwrap());
    matches!(record, Some(DedupeRecord { fate: Fate::Declined { .. }, .. }))
}

/// D4 over sessions: who wrote first is answered first, unless a dead letter came between.
pub(crate) fn in_order(world: &World) {
    let mut complaints = Vec::new();
    {
        let state = world.state();
        let rank = |token| state.admitted.iter().position(|known| *known == token);
        let lanes: BTreeSet<_> = state.rows.iter().map(super::world::Row::lane).collect();
        for lane in lanes {
            let rows = state.rows.iter().filter(|row| row.lane() == lane);
            let named: Vec<Mark> = rows
                .flat_map(|row| marks(row.text.as_bytes()))
                .filter(|mark| !state.lettered.contains(&mark.token))
                .collect();
            let ranks: Vec<_> = named.iter().map(|mark| (rank(mark.token), mark.piece)).collect();
            if !ranks.is_sorted() {
                complaints.push(format!("D4: {lane:?} got {named:?}"));
            }
        }
    }
    for complaint in complaints {
        world.state().complain(complaint);
    }
}

/// Whoever asks what became of a message is told.
pub(crate) async fn is_shown(world: &World, engine: &Engine) {
    let letters = Letters::of(engine);
    for writing in &world.plan.writings {
        let token = writing.token;
        if world.state().dropped.contains(&token) {
            continue;
        }
        let is_dead = letters.messages.contains(&token)
            || letters.parts.iter().any(|mark| mark.token == token);
        let expected = match (world.person(token).is_stranger, is_dead) {
            (true, _) => "declined",
            (false, true) => "dead_letter",
            (false, false) => "answered",
        };
        let journeys = engine.why(&format!("id-{token}")).await.unwrap();
        // One answer to several messages is shown as a whole.
        let is_shared = |turn: &TurnView| letters.turns.contains(&turn.turn);
        let is_right = |journey: &Journey| {
            journey.state == expected
                || (journey.state == "dead_letter" && journey.turn.as_ref().is_some_and(is_shared))
        };
        if !journeys.iter().any(is_right) {
            let states: Vec<_> = journeys.iter().map(|journey| journey.state).collect();
            let text = format!("D2: {token} is {expected}, and shown as {states:?}");
            world.state().complain(text);
        }
    }
}
