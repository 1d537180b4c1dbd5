//! Decides what happens in each life of a service: what is written, and how the life ends.
//!
//! Pure: points and rolls of the dice in, lives out. Lives come in acts. An act begins with a life
//! in which everything is answered before it is killed, so that no message is cut off more often
//! than a service may be killed in one turn without taking the message for poison (three times),
//! unless the act is about just that.

use std::time::Duration;

use telson_actors::crash_point::{ANSWER_UNWRITTEN, TURN_ASKED};

use super::world::Unsettled;

/// What becomes of the answer to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes out.
    Plain,
    /// The first attempt takes no effect, and nobody can say so; the next goes out.
    Vanishes,
    /// The first attempt is answered as a success and leaves no proof; the next goes out.
    Unproven,
}

/// A job that comes once, and who wakes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// A turn of its own, at a moment.
    Once,
    /// A turn of its own, at the first instant of a row whose second one is a day away.
    Row,
    /// An event for the main session, of which the next heartbeat tells.
    Event,
    /// A program, which writes down itself that it has run.
    Command,
}

/// One life of the service: from its start to its end by SIGKILL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The crash point it dies at, and the passage.
    pub dies_at: Option<(&'static str, u32)>,
    /// Whether the store is compacted all the time.
    pub is_compacting: bool,
    /// Whether an orderly stop does not wait for what is under way.
    pub is_hasty: bool,
    /// Messages written before it starts.
    pub before: u32,
    /// What happens in it. Behind the last step it is killed, unless it dies by itself.
    pub steps: Vec<Step>,
}

/// One thing that happens in a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything written so far is answered, or shown as a dead letter.
    Settle,
    /// So many messages are written.
    Write(u32, Course),
    /// A job is made that falls due so much later.
    Schedule(Errand, Duration),
    /// Time passes.
    Pause(Duration),
    /// It is told to stop (SIGTERM).
    Stop,
    /// A person puts the dead letters back to work.
    Replay,
    /// The crash point is waited for; people go on writing if told so.
    Await {
        /// Whether somebody writes meanwhile.
        writing: bool,
    },
}

/// What one world goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The setting of its service.
    pub unsettled: Unsettled,
    /// Its lives, in order.
    pub lives: Vec<Life>,
}

/// Worlds side by side, at most: their waits overlap, and each keeps a processor busy for a while.
const WORLDS_MAX: u32 = 8;
/// Kills that are worth a world of their own.
const KILLS_PER_WORLD: u32 = 8;
/// Latest kill after the messages of a life were written.
const PAUSE_MAX_MS: u64 = 400;
/// Latest kill of a recovery after the start of the process.
const RECOVERY_MS: u64 = 250;
/// Latest instant of a job behind the moment in which it is made.
const DUE_MAX_MS: u64 = 500;
/// Of so many jobs one is an event, for it waits for a heartbeat, for up to ten seconds; and one a
/// command.
const EVENT_EVERY: u64 = 8;
/// How long a send without proof has been looked for when the service is stopped: near enough to
/// the end of the search (10 s) to end after its actor, within the time for a stop (5 s).
const UNPROVEN_FOR: Duration = Duration::from_millis(7500);

/// A source of 64 random bits.
pub type Roll<'a> = dyn FnMut() -> u64 + 'a;

/// Spreads `kills` over worlds: first each of `points` once, as far as the kills suffice, then
/// points, random moments and kills during recovery, `writes` messages to each kill.
pub fn plan(kills: u32, writes: u32, points: &[&'static str], roll: &mut Roll<'_>) -> Vec<Script> {
    let worlds = (kills / KILLS_PER_WORLD).clamp(1, WORLDS_MAX);
    let settings = [Unsettled::Resend, Unsettled::Park].into_iter().cycle();
    let mut scripts: Vec<Script> = (0..worlds)
        .zip(settings)
        .map(|(_, unsettled)| Script { unsettled, lives: Vec::new() })
        .collect();
    let mut wanted = points.to_vec();
    shuffle(&mut wanted, roll);
    let mut left = kills;
    while left > 0 {
        let act = match wanted.pop() {
            Some(point) => about(point, writes, roll),
            None => any(points, writes, roll),
        };
        let cost = u32::try_from(act.lives.len()).unwrap_or(u32::MAX);
        let script = shortest(&mut scripts, act.only);
        match script {
            Some(script) if cost <= left => {
                left -= cost;
                script.lives.extend(act.lives);
            }
            // What does not fit makes room for a kill that always does.
            Some(_) | None => {
                left -= 1;
                let life = interrupted(writes, roll);
                if let Some(script) = shortest(&mut scripts, None) {
                    script.lives.push(life);
                }
            }
        }
    }
    scripts
}

/// Lives that belong together.
struct Act {
    lives: Vec<Life>,
    /// The setting it needs.
    only: Option<Unsettled>,
}

fn shortest(scripts: &mut [Script], only: Option<Unsettled>) -> Option<&mut Script> {
    scripts
        .iter_mut()
        .filter(|script| only.is_none_or(|setting| script.unsettled == setting))
        .min_by_key(|script| script.lives.len())
}

/// A random moment, a random moment and another while recovering, or a point again.
fn any(points: &[&'static str], writes: u32, roll: &mut Roll<'_>) -> Act {
    let free = |lives| Act { lives, only: None };
    match below(roll, 3) {
        0 => free(vec![interrupted(writes, roll)]),
        1 => free(vec![interrupted(writes, roll), interrupted_early(roll)]),
        _ => match points.get(index(roll, points.len())) {
            Some(point) => about(point, writes, roll),
            None => free(vec![interrupted(writes, roll)]),
        },
    }
}

/// An act in which the service dies at this point.
fn about(point: &'static str, writes: u32, roll: &mut Roll<'_>) -> Act {
    let (room, moment) = point.split_once('.').unwrap_or((point, ""));
    let first = interrupted(writes, roll);
    let free = |lives| Act { lives, only: None };
    match (room, moment) {
        ("open" | "current", _) => free(vec![first, armed(point, 1, &[waits(false)])]),
        ("recover", _) => {
            // An answer that is lost with its life leaves a turn to be resumed.
            let cut = writing(ANSWER_UNWRITTEN, 1, writes, Course::Plain);
            free(vec![first, cut, armed(point, passage(point, roll), &[waits(false)])])
        }
        ("doubt", _) => free(vec![first, writing(point, 1, writes, Course::Vanishes)]),
        ("compact", _) => {
            let life = writing(point, passage(point, roll), writes, Course::Plain);
            // Copies that were completed while people wrote have to hold everything, too.
            let first = Life { is_compacting: true, ..first };
            free(vec![first, Life { is_compacting: true, ..life }])
        }
        ("drain", _) | ("stop", "before_tree" | "delivery" | "after_tree") => {
            let steps = [Step::Write(writes, Course::Plain), Step::Stop, waits(false)];
            free(vec![first, armed(point, 1, &steps)])
        }
        ("stop", _) => free(vec![first, stopped_late(point)]),
        ("dead_letter" | "replay", _) => a_dead_letter(point, moment, first, writes),
        ("event" | "heartbeat", _) => {
            let steps = [scheduled(Errand::Event, roll), waits(false)];
            free(vec![first, armed(point, 1, &steps)])
        }
        ("command", _) => {
            let steps = [scheduled(Errand::Command, roll), waits(false)];
            followed(vec![first, armed(point, 1, &steps)], roll)
        }
        ("cron", _) => {
            let [one, two] = [Errand::Once, Errand::Row].map(|errand| scheduled(errand, roll));
            // Both may be claimed by one commit.
            let passages = if moment.ends_with("claim") { 1 } else { 2 };
            let passage = 1 + u32::from(passages == 2 && below(roll, 2) == 0);
            let steps = [one, two, Step::Write(writes, Course::Plain), waits(true)];
            followed(vec![first, armed(point, passage, &steps)], roll)
        }
        _ => {
            let life = writing(point, passage(point, roll), writes, Course::Plain);
            followed(vec![first, life], roll)
        }
    }
}

/// Some recoveries are killed as well.
fn followed(mut lives: Vec<Life>, roll: &mut Roll<'_>) -> Act {
    if below(roll, 3) == 0 {
        lives.push(interrupted_early(roll));
    }
    Act { lives, only: None }
}

/// A reply becomes a dead letter where sends in doubt are parked; a message does after four lives
/// that ended in its turn.
fn a_dead_letter(point: &'static str, moment: &str, first: Life, writes: u32) -> Act {
    let replay = [Step::Settle, Step::Replay, waits(false)];
    let is_replay = point.starts_with("replay");
    if moment.ends_with("reply") {
        let steps = [Step::Settle, Step::Write(1, Course::Vanishes)];
        let last = if is_replay {
            armed(point, 1, &[&steps[..], &replay].concat())
        } else {
            writing(point, 1, writes, Course::Vanishes)
        };
        return Act { lives: vec![first, last], only: Some(Unsettled::Park) };
    }
    let alone = Life { steps: vec![Step::Settle], ..first };
    let turn = |before| Life { before, ..armed(TURN_ASKED, 1, &[waits(false)]) };
    let last = armed(point, 1, if is_replay { &replay } else { &replay[2..] });
    Act { lives: vec![alone, turn(1), turn(0), turn(0), turn(0), last], only: None }
}

/// Everything is answered, more is written, a job falls due, and the kill falls at random.
fn interrupted(writes: u32, roll: &mut Roll<'_>) -> Life {
    let before = writes / 3;
    let pause = Duration::from_millis(below(roll, PAUSE_MAX_MS));
    let errand = match below(roll, EVENT_EVERY) {
        0 => Errand::Event,
        1 => Errand::Command,
        nth if nth % 2 == 0 => Errand::Once,
        _ => Errand::Row,
    };
    let steps = vec![
        Step::Settle,
        scheduled(errand, roll),
        Step::Write(writes - before, Course::Plain),
        Step::Pause(pause),
    ];
    Life { dies_at: None, is_compacting: false, is_hasty: false, before, steps }
}

/// Killed a random moment after its start.
fn interrupted_early(roll: &mut Roll<'_>) -> Life {
    let steps = vec![Step::Pause(Duration::from_millis(below(roll, RECOVERY_MS)))];
    Life { dies_at: None, is_compacting: false, is_hasty: false, before: 0, steps }
}

fn armed(point: &'static str, passage: u32, steps: &[Step]) -> Life {
    Life {
        dies_at: Some((point, passage)),
        is_compacting: false,
        is_hasty: false,
        before: 0,
        steps: steps.to_vec(),
    }
}

fn writing(point: &'static str, passage: u32, writes: u32, course: Course) -> Life {
    let plain = Step::Write(writes.saturating_sub(1), Course::Plain);
    armed(point, passage, &[plain, Step::Write(1, course), waits(true)])
}

/// An attempt goes on while its actor is told to stop, and ends after it.
fn stopped_late(point: &'static str) -> Life {
    let steps = [
        Step::Settle,
        Step::Write(1, Course::Unproven),
        Step::Pause(UNPROVEN_FOR),
        Step::Stop,
        waits(false),
    ];
    Life { is_hasty: true, ..armed(point, 1, &steps) }
}

fn scheduled(errand: Errand, roll: &mut Roll<'_>) -> Step {
    Step::Schedule(errand, Duration::from_millis(below(roll, DUE_MAX_MS)))
}

fn waits(writing: bool) -> Step {
    Step::Await { writing }
}

/// Points that are passed often are died at in different states.
fn passage(point: &str, roll: &mut Roll<'_>) -> u32 {
    let passages = match point {
        "recover.router_read" => 2,
        point if point.starts_with("recover") => 1,
        _ => 4,
    };
    1 + u32::try_from(below(roll, passages)).unwrap_or_default()
}

fn below(roll: &mut Roll<'_>, bound: u64) -> u64 {
    roll() % bound.max(1)
}

fn index(roll: &mut Roll<'_>, length: usize) -> usize {
    usize::try_from(below(roll, u64::try_from(length).unwrap_or(1))).unwrap_or_default()
}

fn shuffle<T>(items: &mut [T], roll: &mut Roll<'_>) {
    for end in (1..items.len()).rev() {
        items.swap(end, index(roll, end + 1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use telson_actors::crash_point::POINTS;

    use super::*;

    fn names() -> Vec<&'static str> {
        POINTS.iter().map(|point| point.name).collect()
    }

    fn planned(kills: u32, writes: u32, points: &[&'static str], seed: u64) -> Vec<Script> {
        let mut state = seed;
        plan(kills, writes, points, &mut || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 16
        })
    }

    fn lives(scripts: &[Script]) -> Vec<&Life> {
        scripts.iter().flat_map(|script| &script.lives).collect()
    }

    proptest! {
        #[test]
        fn there_are_as_many_lives_as_kills(
            kills in 1u32..400, writes in 0u32..20, seed: u64, with_points: bool,
        ) {
            let points = if with_points { names() } else { Vec::new() };
            let scripts = planned(kills, writes, &points, seed);
            prop_assert_eq!(lives(&scripts).len(), kills as usize);
            prop_assert_eq!(&scripts, &planned(kills, writes, &points, seed), "a seed repeats");
            let armed = lives(&scripts).iter().filter(|life| life.dies_at.is_some()).count();
            prop_assert!(with_points || armed == 0);
        }

        #[test]
        fn two_hundred_kills_reach_every_point(seed: u64) {
            let scripts = planned(200, 6, &names(), seed);
            for name in names() {
                let dies_here = |life: &&Life| life.dies_at.is_some_and(|(point, _)| point == name);
                prop_assert!(lives(&scripts).iter().any(dies_here), "{name}");
            }
        }

        #[test]
        fn jobs_of_every_kind_fall_due_among_two_hundred_kills(seed: u64) {
            let scripts = planned(200, 6, &names(), seed);
            let count = |wanted: Errand| {
                let steps = lives(&scripts).into_iter().flat_map(|life| &life.steps);
                steps.filter(|step| matches!(step, Step::Schedule(errand, _) if *errand == wanted)).count()
            };
            prop_assert!(count(Errand::Once) > 15 && count(Errand::Row) > 15);
            prop_assert!(count(Errand::Event) > 5 && count(Errand::Command) > 5);
        }

        #[test]
        fn only_an_act_about_poison_cuts_a_turn_off_more_than_three_times(seed: u64) {
            for script in planned(300, 6, &names(), seed) {
                let mut since_calm = 0;
                for life in &script.lives {
                    let is_calm = life.dies_at.is_none() && life.steps[0] == Step::Settle;
                    since_calm = if is_calm { 1 } else { since_calm + 1 };
                    let is_poison = life.before == 0
                        && life.dies_at.is_some_and(|(point, _)| {
                            point == TURN_ASKED || point.ends_with("_message")
                        });
                    prop_assert!(since_calm <= 3 || is_poison, "{life:?}");
                }
            }
        }
    }
}
