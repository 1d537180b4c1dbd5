//! What one seed stands for: who is there, who writes when, what goes wrong, and how lives end.
//!
//! Every kind of fault is absent in half of the seeds, so that rare combinations get their turn.

use telson_actors::message::AccountKey;
use telson_actors::message::session_key::DmScope;
use telson_actors::provider::FailureClass;
use telson_actors::session::lane::{DropPolicy, LaneSettings, Mode};

use super::chance::Chance;
use super::switch::Doom;
use super::token::Token;

/// What a platform does with one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendFate {
    Accept,
    RefuseForNow,
    RefuseWithWish,
    RefuseForPermission,
    RefuseForGood,
    AcceptInDoubt,
    LoseInDoubt,
    PanicBefore,
    PanicAfter,
    AcceptAndHang,
    LoseAndHang,
}

/// What happens to a look of the client at its platform: before a send, or for evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookFate {
    Answer,
    Refuse,
    Panic,
    Hang,
}

/// What a model does with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskFate {
    Answer,
    AnswerBlank,
    Fail(FailureClass),
    CutMidStream,
    Hang,
    Panic,
}

/// What a tool does with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolFate {
    Answer,
    /// It answers that it could not.
    Fail,
    /// It acts and is never done.
    Hang,
    PanicBefore,
    PanicAfter,
}

/// What the disk does with one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFate {
    Write,
    /// The flush fails; what it tried to write can be read until the restart. The flag tells
    /// whether it is still there afterwards: all of it or nothing.
    FailFlush(bool),
    /// Nothing can be written for a while.
    Full,
}

/// Weighted fates.
#[derive(Clone)]
pub(crate) struct Weather {
    pub(crate) sends: Vec<(SendFate, u64)>,
    pub(crate) looks: Vec<(LookFate, u64)>,
    pub(crate) asks: Vec<(AskFate, u64)>,
    pub(crate) tools: Vec<(ToolFate, u64)>,
    pub(crate) disk: Vec<(DiskFate, u64)>,
    /// Longest ordinary wait for anybody outside, in milliseconds.
    pub(crate) slow: u64,
    /// Waits end with full seconds, as those of timers inside do: so that they meet.
    pub(crate) in_step: bool,
    /// Chances of a thousand that an acknowledgement never arrives.
    pub(crate) acks_lost: u64,
    /// Chances of a thousand that a poll is answered in another order.
    pub(crate) reorder: u64,
    /// Chances of a thousand that the receiver falls over between two steps.
    pub(crate) receiver_falls: u64,
    /// Chances of a thousand, per look of the driver, that some actor is killed.
    pub(crate) actor_kills: u64,
}

/// A person.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) is_stranger: bool,
}

/// An account and who writes to it.
#[derive(Clone)]
pub(crate) struct AccountPlan {
    pub(crate) key: AccountKey,
    pub(crate) people: Vec<Person>,
    /// Whether the platform can prove that it never got something; otherwise doubt is parked.
    pub(crate) proves_absence: bool,
    /// Whether strangers are offered a pairing code.
    pub(crate) pairs: bool,
    pub(crate) text_max: usize,
    pub(crate) sends_max: usize,
    /// Whether receipts may be lost in a crash, because the platform's own record shows them.
    pub(crate) leaves_evidence: bool,
}

/// A message that will be written.
#[derive(Clone)]
pub(crate) struct Writing {
    pub(crate) token: Token,
    pub(crate) at: u64,
    /// After its acknowledgement the platform offers it again, after so many milliseconds each.
    pub(crate) again: Vec<u64>,
}

/// One life that is not the last.
#[derive(Clone)]
pub(crate) struct LifePlan {
    pub(crate) doom: Option<Doom>,
    /// The longest it lives, in milliseconds.
    pub(crate) lasts: u64,
    /// Whether it is stopped properly then, or killed.
    pub(crate) is_stopped: bool,
    /// What the machine's clock is ahead (or behind) in this life.
    pub(crate) skew: i64,
    /// Time until the next life begins.
    pub(crate) pause: u64,
}

/// All of it.
pub(crate) struct Plan {
    pub(crate) accounts: Vec<AccountPlan>,
    pub(crate) writings: Vec<Writing>,
    pub(crate) weather: Weather,
    pub(crate) lives: Vec<LifePlan>,
    pub(crate) scope: DmScope,
    pub(crate) lane: LaneSettings,
    pub(crate) waiting_max: u64,
    pub(crate) sessions_live_max: usize,
    pub(crate) session_idle_ms: u64,
    pub(crate) provider_calls_max: usize,
    /// Most answers with tool calls in one turn.
    pub(crate) tool_rounds_max: usize,
    /// Whether a person looks after dead letters.
    pub(crate) has_operator: bool,
}

const CLASSES: [FailureClass; 12] = [
    FailureClass::Auth,
    FailureClass::AuthPermanent,
    FailureClass::RateLimit,
    FailureClass::Overloaded,
    FailureClass::Billing,
    FailureClass::Timeout,
    FailureClass::Server,
    FailureClass::Format,
    FailureClass::ModelNotFound,
    FailureClass::ContextOverflow,
    FailureClass::EmptyResponse,
    FailureClass::Unclassified,
];

const HOUR: u64 = 3_600_000;

impl Plan {
    pub(crate) fn of(chance: &Chance) -> Self {
        let accounts: Vec<AccountPlan> =
            (0..chance.between(1, 2)).map(|number| account(chance, number)).collect();
        let writings = writings(chance, &accounts);
        Self {
            weather: Weather::rough(chance),
            lives: (0..chance.below(6)).map(|_| LifePlan::of(chance)).collect(),
            scope: *chance.pick(&[
                DmScope::PerAccountChannelPeer,
                DmScope::PerAccountChannelPeer,
                DmScope::PerChannelPeer,
                DmScope::Main,
            ]),
            lane: lane(chance),
            waiting_max: *chance.pick(&[3, 10_000, 10_000]),
            sessions_live_max: *chance.pick(&[1, 2, 10_000]),
            session_idle_ms: *chance.pick(&[100, 5_000, 60_000]),
            provider_calls_max: *chance.pick(&[1, 2, 8]),
            tool_rounds_max: *chance.pick(&[0, 0, 1, 3]),
            has_operator: chance.one_in(2),
            accounts,
            writings,
        }
    }
}

fn account(chance: &Chance, number: u64) -> AccountPlan {
    // The same names on every account: only the account keeps them apart.
    let person = |index| Person { name: format!("person{index}"), is_stranger: chance.one_in(8) };
    AccountPlan {
        key: AccountKey::new("chat", format!("account{number}")),
        people: (0..chance.between(1, 3)).map(person).collect(),
        proves_absence: chance.one_in(2),
        pairs: chance.one_in(2),
        text_max: *chance.pick(&[40, 60, 4000]),
        sends_max: *chance.pick(&[1, 2, 64]),
        leaves_evidence: chance.one_in(2),
    }
}

fn writings(chance: &Chance, accounts: &[AccountPlan]) -> Vec<Writing> {
    let horizon = *chance.pick(&[1_000, 20_000, 20_000, 600_000, 3 * HOUR]);
    let mut writings = Vec::new();
    for (account, plan) in accounts.iter().enumerate() {
        for person in 0..plan.people.len() {
            let mut times: Vec<u64> =
                (0..chance.between(1, 7)).map(|_| chance.below(horizon)).collect();
            times.sort_unstable();
            for (number, at) in times.into_iter().enumerate() {
                let repeats = if chance.one_in(4) { chance.between(1, 3) } else { 0 };
                let again = (0..repeats).map(|_| chance.below(30 * HOUR) >> chance.below(16));
                let token = Token { account, person, number };
                writings.push(Writing { token, at, again: again.collect() });
            }
        }
    }
    writings
}

fn lane(chance: &Chance) -> LaneSettings {
    let mut lane = LaneSettings::default();
    let collects = chance.one_in(3);
    if collects {
        lane.mode = Mode::Collect;
    } else if chance.one_in(3) {
        lane.mode = Mode::Steer;
    }
    if chance.one_in(4) {
        lane.cap = 2;
        lane.drop = *chance.pick(&[DropPolicy::Summarize, DropPolicy::Old, DropPolicy::New]);
    }
    lane
}

impl LifePlan {
    fn of(chance: &Chance) -> Self {
        // Small numbers meet the recovery of the life before.
        let effect = 1 + (chance.below(256) >> chance.below(7));
        let doom = Doom { effect, is_after: chance.one_in(2) };
        let hours = 5 * HOUR;
        let step = i64::try_from(chance.below(2 * HOUR)).unwrap() - i64::try_from(HOUR).unwrap();
        Self {
            doom: (!chance.one_in(4)).then_some(doom),
            lasts: 1 + (chance.below(hours) >> chance.below(20)),
            is_stopped: chance.one_in(3),
            skew: if chance.one_in(6) { step } else { 0 },
            pause: chance.below(hours) >> chance.below(16),
        }
    }
}

impl Weather {
    /// Everything works.
    pub(crate) fn calm() -> Self {
        Self {
            sends: vec![(SendFate::Accept, 1)],
            looks: vec![(LookFate::Answer, 1)],
            asks: vec![(AskFate::Answer, 1)],
            tools: vec![(ToolFate::Answer, 1)],
            disk: vec![(DiskFate::Write, 1)],
            slow: 300,
            in_step: false,
            acks_lost: 0,
            reorder: 0,
            receiver_falls: 0,
            actor_kills: 0,
        }
    }

    /// What does not come in fates ends at once.
    pub(crate) fn clear_up(&mut self) {
        let Self { acks_lost, reorder, receiver_falls, actor_kills, .. } = Self::calm();
        *self = Self { acks_lost, reorder, receiver_falls, actor_kills, ..self.clone() };
    }

    fn rough(chance: &Chance) -> Self {
        let mut asks: Vec<_> = CLASSES.map(|class| (AskFate::Fail(class), 2)).to_vec();
        asks.extend([
            (AskFate::AnswerBlank, 3),
            (AskFate::CutMidStream, 6),
            (AskFate::Hang, 3),
            (AskFate::Panic, 4),
        ]);
        let sends = [
            (SendFate::RefuseForNow, 12),
            (SendFate::RefuseWithWish, 6),
            (SendFate::RefuseForPermission, 4),
            (SendFate::RefuseForGood, 4),
            (SendFate::AcceptInDoubt, 10),
            (SendFate::LoseInDoubt, 8),
            (SendFate::PanicBefore, 4),
            (SendFate::PanicAfter, 4),
            (SendFate::AcceptAndHang, 3),
            (SendFate::LoseAndHang, 3),
        ];
        let looks = [(LookFate::Refuse, 8), (LookFate::Panic, 5), (LookFate::Hang, 3)];
        let tools = [
            (ToolFate::Fail, 8),
            (ToolFate::Hang, 3),
            (ToolFate::PanicBefore, 4),
            (ToolFate::PanicAfter, 4),
        ];
        let disk =
            [(DiskFate::FailFlush(false), 2), (DiskFate::FailFlush(true), 2), (DiskFate::Full, 1)];
        let maybe = |chances: u64| if chance.one_in(2) { chances } else { 0 };
        Self {
            sends: some(chance, SendFate::Accept, 60, sends.to_vec()),
            looks: some(chance, LookFate::Answer, 100, looks.to_vec()),
            asks: some(chance, AskFate::Answer, 60, asks),
            tools: some(chance, ToolFate::Answer, 40, tools.to_vec()),
            disk: some(chance, DiskFate::Write, 400, disk.to_vec()),
            slow: *chance.pick(&[1, 50, 2_000, 20_000, 20_000]),
            in_step: chance.one_in(4),
            acks_lost: maybe(150),
            reorder: maybe(300),
            receiver_falls: maybe(50),
            actor_kills: maybe(100),
        }
    }
}

/// The good fate, and each bad one in half of the cases.
fn some<T>(chance: &Chance, good: T, weight: u64, bad: Vec<(T, u64)>) -> Vec<(T, u64)> {
    let mut fates = vec![(good, weight)];
    fates.extend(bad.into_iter().filter(|_| chance.one_in(2)));
    fates
}
