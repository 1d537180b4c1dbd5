//! Clocks that are set by hours and years, forward and back, at any moment of a journey, and
//! machines that sleep: nothing is lost, doubled, given up or stuck.

#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson::supervision::{Dice, Node};
use telson::{Builder, Engine};
use telson_actors::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, Receipt, SendFailure, SendOutcome,
    Settled,
};
use telson_actors::clock::{Clock, Timestamp};
use telson_actors::outbox::UnsettledSends;
use telson_actors::router::Admission;
use telson_actors::session::lane::{LaneSettings, Mode};
use telson_actors::store::MemoryBackend;

use crate::model::{Does, Model, asking, reasons, within};
use crate::support::{Behaviour, Platform, account, builder, direct, open_access};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
const HOUR: Duration = Duration::from_hours(1);

/// What happens to time.
#[derive(Debug, Clone, Copy)]
enum Jump {
    /// The wall clock is set.
    Step(i64),
    /// The machine sleeps: the wall clock goes on, timers stand still.
    Sleep(Duration),
    /// Timers have gone on while the wall clock stood still.
    Race(Duration),
}

impl Jump {
    async fn happen(self, clock: &Clock) {
        match self {
            Jump::Step(by_ms) => clock.step(by_ms),
            Jump::Sleep(time) => clock.sleep(time),
            Jump::Race(time) => {
                clock.step(-i64::try_from(time.as_millis()).unwrap());
                tokio::time::advance(time).await;
            }
        }
    }
}

fn determined(builder: Builder, clock: Clock, memory: &MemoryBackend) -> Builder {
    builder.determined_by(clock, Dice::seeded(7)).backend(Arc::new(memory.clone()))
}

fn restarts(node: &Node) -> u64 {
    u64::from(node.restarts) + node.children.iter().map(restarts).sum::<u64>()
}

/// A journey with everything that waits: the model, a refused send, a send in doubt; two lanes.
/// After `moment` the jump happens. What is left must be over in a minute.
async fn journey(jump: Jump, moment: Duration) {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    let clock = Clock::virtual_from(NOW);
    let model = Model::echo(Duration::from_millis(300));
    platform.delay(Duration::from_millis(40));
    platform.script([Behaviour::Refuse, Behaviour::AcceptInDoubt, Behaviour::Refuse]);
    let engine = determined(asking(builder(&platform), &model), clock, &memory);
    let engine = engine.start().await.unwrap();
    for (id, person) in [("1", "anna"), ("2", "anna"), ("3", "berta")] {
        engine.inject(direct(id, person, &format!("<{id}>"))).await.unwrap();
    }
    tokio::time::sleep(moment).await;
    jump.happen(&clock).await;
    engine.inject(direct("4", "anna", "<4>")).await.unwrap();
    let what = format!("all answers after {jump:?} at {moment:?}: {:?}", platform.sent());
    within(Duration::from_mins(1), &what, || engine.load().is_idle()).await;
    assert_eq!(platform.sent_to("anna"), ["<1>", "<2>", "<4>"], "{what}");
    assert_eq!(platform.sent_to("berta"), ["<3>"], "{what}");
    assert_eq!(reasons(&engine), [""; 0], "{what}");
    assert_eq!(restarts(&engine.tree()), 0, "nobody crashed or tripped: {what}");
    engine.shutdown(Duration::from_secs(5)).await;
}

/// The journey takes four seconds; this meets every wait in it.
fn moments() -> impl Iterator<Item = Duration> {
    (0..60).map(|number| Duration::from_millis(number * 70))
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_disturbs_no_journey() {
    for step in [HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS] {
        for moment in moments() {
            journey(Jump::Step(step), moment).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_sleeps_disturbs_no_journey() {
    for jump in [Jump::Sleep(8 * HOUR), Jump::Race(8 * HOUR)] {
        for moment in moments() {
            journey(jump, moment).await;
        }
    }
}

// A retry is due by the steady time, and nobody is a day old because the clock says so.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ages_no_reply() {
    for jump in [Jump::Step(YEAR_MS), Jump::Step(-YEAR_MS), Jump::Sleep(72 * HOUR)] {
        let (platform, memory) = (Platform::new(), MemoryBackend::new());
        let clock = Clock::virtual_from(NOW);
        platform.script([Behaviour::Refuse; 12]);
        let engine = determined(builder(&platform), clock, &memory).start().await.unwrap();
        engine.inject(direct("1", "anna", "<1>")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(200)).await;
        jump.happen(&clock).await;
        within(HOUR, "the reply goes out in the end", || engine.load().is_idle()).await;
        assert_eq!(platform.sent_to("anna"), ["echo: <1>"], "{jump:?}");
        assert_eq!(reasons(&engine), [""; 0], "{jump:?}");
        engine.shutdown(Duration::from_secs(5)).await;
    }
}

// The limit itself stays: a reply that was tried for a day is given up.
#[tokio::test(start_paused = true)]
async fn a_reply_that_was_tried_for_a_day_is_given_up() {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    platform.script([Behaviour::Refuse; 1000]);
    let clock = Clock::virtual_from(NOW);
    let engine = determined(builder(&platform), clock, &memory).start().await.unwrap();
    engine.inject(direct("1", "anna", "<1>")).await.unwrap();
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(engine.load().undelivered, 1);
    within(2 * HOUR, "it is given up", || reasons(&engine) == ["rejected"]).await;
    engine.shutdown(Duration::from_secs(5)).await;
}

/// A platform that takes a send, says nothing, and shows it a minute later, as Messages may. Like
/// the sender of Messages it looks for five minutes by the engine's clock.
#[derive(Clone)]
struct Stalling {
    /// The engine's clock.
    clock: Clock,
    /// The world's, which nobody sets.
    world: Clock,
    taken: Arc<Mutex<Vec<(String, Timestamp)>>>,
}

impl Stalling {
    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

impl Channel for Stalling {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            text_max: 4000,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: 1,
            leaves_evidence: true,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        self.taken.lock().unwrap().push((part.entry.clone(), self.world.now()));
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            SendOutcome::InDoubt("no answer".into())
        })
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        let taken = self.taken.lock().unwrap();
        let is_shown = taken.iter().any(|(entry, at)| {
            *entry == part.entry && self.world.now().since(*at) >= Duration::from_mins(1)
        });
        let waited = self.clock.now().since(part.attempted_at);
        let settled = if is_shown {
            Settled::Sent(Receipt { platform_id: part.entry.clone(), note: String::new() })
        } else if waited < Duration::from_mins(5) {
            Settled::Wait(Duration::from_secs(2))
        } else {
            Settled::Unresolved(format!("nothing to see after {waited:?}"))
        };
        Box::pin(std::future::ready(settled))
    }
}

async fn stalling(memory: &MemoryBackend, channel: &Stalling, clock: Clock) -> Engine {
    let mut engine = determined(
        Engine::builder().channel(account(), Arc::new(channel.clone()), None, open_access()),
        clock,
        memory,
    );
    engine = engine.unsettled(&account(), UnsettledSends::Resend);
    engine.start().await.unwrap()
}

// D6: neither a clock that is set nor a sleep shortens a look for evidence. Here the operator wants resends, so a look
// that ends too early doubles the reply; and one that ends too late blocks its lane.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_settles_no_doubt() {
    for jump in [Jump::Step(YEAR_MS), Jump::Step(-YEAR_MS), Jump::Sleep(8 * HOUR)] {
        for at in [5, 19, 21, 40, 59] {
            let clock = Clock::virtual_from(NOW);
            let (memory, taken) = (MemoryBackend::new(), Arc::default());
            let channel = Stalling { clock, world: Clock::virtual_from(NOW), taken };
            let engine = stalling(&memory, &channel, clock).await;
            engine.inject(direct("1", "anna", "<1>")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(at)).await;
            jump.happen(&clock).await;
            let what = format!("the send is found after {jump:?} at {at} s");
            within(Duration::from_mins(2), &what, || engine.load().is_idle()).await;
            assert_eq!(channel.taken(), 1, "doubled: {what}");
            engine.shutdown(Duration::from_secs(5)).await;
        }
    }
}

// The same when the clock was set while nobody ran.
#[tokio::test(start_paused = true)]
async fn a_start_with_another_clock_settles_no_doubt() {
    for step in [YEAR_MS, -YEAR_MS] {
        let clock = Clock::virtual_from(NOW);
        let (memory, taken) = (MemoryBackend::new(), Arc::default());
        let channel = Stalling { clock, world: Clock::virtual_from(NOW), taken };
        let engine = stalling(&memory, &channel, clock).await;
        engine.inject(direct("1", "anna", "<1>")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        engine.shutdown(Duration::ZERO).await;
        let clock = Clock::virtual_from(clock.now().stepped(step));
        let channel = Stalling { clock, ..channel };
        let engine = stalling(&memory, &channel, clock).await;
        within(Duration::from_mins(2), "the send is found", || engine.load().is_idle()).await;
        assert_eq!(channel.taken(), 1, "doubled after {step}");
        engine.shutdown(Duration::from_secs(5)).await;
    }
}

// D5: a forward jump does not empty the window, neither while the engine runs nor at its start.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forgets_no_message() {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    let clock = Clock::virtual_from(NOW);
    let engine = determined(builder(&platform), clock, &memory).start().await.unwrap();
    let messages: Vec<_> =
        (0..20).map(|n| direct(&format!("m{n}"), "anna", &format!("<{n}>"))).collect();
    for message in &messages {
        engine.inject(message.clone()).await.unwrap();
    }
    // More than is kept however old it looks.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut admission = Admission::new(account());
    admission.history = (0..10_000).map(|n| format!("h{n}")).collect();
    engine.admissions().admit(admission).await.unwrap();
    let answered = platform.sent().len();
    clock.step(YEAR_MS);
    tokio::time::sleep(3 * HOUR).await;
    clock.step(-YEAR_MS);
    for message in &messages {
        assert_eq!(engine.inject(message.clone()).await.unwrap().duplicates, 1);
    }
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(platform.sent().len(), answered);
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_wrong_clock_forgets_no_message() {
    let (platform, memory) = (Platform::new(), MemoryBackend::new());
    let message = direct("1", "anna", "<1>");
    for (start, duplicates) in [(NOW, 0), (Timestamp(NOW.0 + YEAR_MS), 1), (NOW, 1)] {
        let clock = Clock::virtual_from(start);
        let engine = determined(builder(&platform), clock, &memory).start().await.unwrap();
        tokio::time::sleep(3 * HOUR).await;
        assert_eq!(engine.inject(message.clone()).await.unwrap().duplicates, duplicates);
        tokio::time::sleep(3 * HOUR).await;
        engine.shutdown(Duration::from_secs(5)).await;
    }
    assert_eq!(platform.sent_to("anna"), ["echo: <1>"]);
}

fn live_sessions(engine: &Engine) -> usize {
    fn find(node: &Node) -> Option<usize> {
        let here = (node.id == "sessions").then(|| node.live.unwrap_or_default());
        here.or_else(|| node.children.iter().find_map(find))
    }
    find(&engine.tree()).unwrap()
}

// Every wake-up of a session comes, whatever the clock is set to: the quiet time of a lane that
// collects, the question for a turn nobody has reported about, and passivation.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_keeps_no_session_asleep() {
    for step in [YEAR_MS, -YEAR_MS, HOUR_MS, -HOUR_MS] {
        let (platform, memory) = (Platform::new(), MemoryBackend::new());
        let clock = Clock::virtual_from(NOW);
        let model = Model::new(|text| {
            let thinking = Duration::from_secs(if text.contains("<2>") { 3 } else { 0 });
            (thinking, Does::Says(text.to_owned()))
        });
        let lane = LaneSettings { mode: Mode::Collect, ..LaneSettings::default() };
        let engine = determined(asking(builder(&platform), &model).lane("", lane), clock, &memory);
        let engine = engine.start().await.unwrap();
        let is_out = |count| move |platform: &Platform| platform.sent().len() == count;
        engine.inject(direct("1", "anna", "<1>")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        clock.step(step);
        let out = is_out(1);
        within(Duration::from_secs(2), "the lane is quiet", || out(&platform)).await;
        engine.inject(direct("2", "anna", "<2>")).await.unwrap();
        within(Duration::from_secs(2), "the model is asked", || model.asked().len() == 2).await;
        // The call dies with its actor; only the session's own question brings it back.
        assert!(engine.kill_actor("core/providers/model"));
        clock.step(-step);
        let out = is_out(2);
        within(Duration::from_secs(15), "the session asks again", || out(&platform)).await;
        clock.step(step);
        assert_eq!(live_sessions(&engine), 1);
        within(Duration::from_mins(2), "it is passivated", || live_sessions(&engine) == 0).await;
        engine.shutdown(Duration::from_secs(5)).await;
    }
}
