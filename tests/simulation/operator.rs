//! The person who looks after dead letters.

use telson::Engine;
use telson_actors::dead_letter::{DeadLetter, Item};

use super::token::{marks, tokens};
use super::world::World;

/// Looks at one dead letter: puts it back to work, or drops it.
pub(crate) async fn look(world: &World, engine: &Engine) {
    let letters = engine.dead_letters().list().unwrap();
    if letters.is_empty() {
        return;
    }
    let (letter, drops) = {
        let state = world.state();
        (state.chance.pick(&letters).clone(), state.chance.one_in(4))
    };
    if drops {
        drop_letter(world, engine, &letter).await;
    } else {
        replay(world, engine, &letter).await;
    }
}

/// Puts everything back to work.
pub(crate) async fn replay_all(world: &World, engine: &Engine) {
    for letter in engine.dead_letters().list().unwrap() {
        replay(world, engine, &letter).await;
    }
}

async fn replay(world: &World, engine: &Engine, letter: &DeadLetter) {
    let result = engine.dead_letters().replay(letter.id).await;
    world.state().note(|| format!("the operator replays {}: {result:?}", letter.id));
}

async fn drop_letter(world: &World, engine: &Engine, letter: &DeadLetter) {
    {
        // Before it is done: the process may die and tell nobody.
        let mut state = world.state();
        match &letter.item {
            Item::Inbound(record) => {
                state.dropped.extend(tokens(record.envelope.inbound.text.as_bytes()));
            }
            Item::Outbound(entry) => {
                state.dropped.extend(marks(entry.text.as_bytes()).iter().map(|mark| mark.token));
            }
            Item::Row { .. } => {}
        }
    }
    let result = engine.dead_letters().drop_letter(letter.id).await;
    world.state().note(|| format!("the operator drops {}: {result:?}", letter.id));
}
