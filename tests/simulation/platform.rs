//! The sending half of a platform: it refuses, keeps silent, answers ambiguously, and crashes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_actors::channel::{
    Capabilities, Channel, Evidence, FailureClass, LengthUnit, Outbound, Receipt, SendFailure,
    SendOutcome, Settled,
};
use telson_actors::outbox::{EntryId, EntryRecord, EntryState, entry_key};
use telson_actors::store::codec::decode;

use super::disk::Disk;
use super::plan::{LookFate, SendFate};
use super::planted::Planted;
use super::switch::Switch;
use super::world::{Row, SETTLED_AFTER, WIRE_MAX, World};

/// The client of one account, in one life.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Switch>,
    pub(crate) disk: Disk,
    pub(crate) account: usize,
}

/// Something that happens at most once at a time.
pub(crate) struct Open {
    world: Arc<World>,
    what: String,
}

impl Open {
    pub(crate) fn begin(world: &Arc<World>, what: String) -> Self {
        world.state().begin(&what);
        Self { world: world.clone(), what }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.world.state().end(&self.what);
    }
}

impl Platform {
    /// A look at the platform: how it goes, and how long it takes.
    async fn look(&self, what: &str, part: &Outbound) -> Result<(), SendFailure> {
        let (fate, pause) = self
            .life
            .reach(|| {
                let mut state = self.world.state();
                let fate = state.fate(|weather| &weather.looks);
                let pause = state.pause();
                state.note(|| format!("{what} {}: {fate:?} in {pause:?}", part.entry));
                (fate, pause)
            })
            .await;
        tokio::time::sleep(pause).await;
        match fate {
            LookFate::Answer => Ok(()),
            LookFate::Refuse => Err(SendFailure::transient("the platform is not there")),
            LookFate::Panic => panic!("simulated: the client panics in {what}"),
            LookFate::Hang => std::future::pending().await,
        }
    }

    /// Takes one send in hand: from here on the process may die without changing anything.
    fn take(&self, part: &Outbound) -> (SendFate, Duration) {
        let mut state = self.world.state();
        state.settle_wire();
        let mut fate = state.fate(|weather| &weather.sends);
        let mut pause = state.pause();
        let wire = state.chance.pause(WIRE_MAX.min(state.weather.slow));
        state.note(|| format!("send {} to {}: {fate:?} in {pause:?}", part.entry, part.to.target));
        match fate {
            SendFate::Accept
            | SendFate::AcceptInDoubt
            | SendFate::PanicAfter
            | SendFate::AcceptAndHang => {}
            _ => return (fate, pause),
        }
        let mut row = Row {
            account: self.account,
            target: part.to.target.clone(),
            entry: part.entry.clone(),
            text: part.text.clone(),
        };
        if fate == SendFate::Accept {
            pause = pause.max(wire);
        }
        let mut wire = u64::try_from(wire.as_millis()).unwrap();
        if let Some(planted) = self.world.planted
            && state.chance.one_in(3)
        {
            match planted {
                Planted::RowTwice => state.put_on_wire(row.clone(), wire),
                Planted::RowLate => wire += 30_000,
                Planted::RowAstray => row.target.push('0'),
                Planted::RowLost => return (SendFate::Accept, pause),
                _ => {}
            }
            if planted == Planted::RowLate {
                fate = SendFate::Accept;
            }
        }
        state.put_on_wire(row, wire);
        (fate, pause)
    }

    /// D3 and D6: what is called is on disk as an attempt that has begun.
    fn check_journalled(&self, part: &Outbound) {
        let number = part.entry.trim_start_matches('e').parse().unwrap();
        let key = entry_key(&part.to, EntryId(number));
        let record = self.disk.synced(&key).map(|bytes| decode::<EntryRecord>(&key, &bytes));
        let state = record.map(|record| record.unwrap().state);
        let is_journalled = matches!(state, Some(EntryState::Sending { since, .. })
            if since == part.attempted_at);
        if !is_journalled {
            let text = format!("D6: {} is sent, and on disk it is {state:?}", part.entry);
            self.world.state().complain(text);
        }
    }

    fn find(&self, part: &Outbound, evidence: &Evidence) -> Settled {
        let mut state = self.world.state();
        state.settle_wire();
        let began = u64::from_le_bytes(evidence.0.as_slice().try_into().unwrap());
        let is_there = state.rows.iter().any(|row| row.entry == part.entry);
        let settled = if is_there {
            Settled::Sent(Receipt { platform_id: part.entry.clone(), note: "found".into() })
        } else if state.now() < began + SETTLED_AFTER {
            Settled::Wait(Duration::from_millis(100 + state.chance.below(5_000)))
        } else if self.world.plan.accounts[self.account].proves_absence {
            Settled::NotSent(SendFailure::transient("the platform never got it"))
        } else {
            Settled::Unresolved("there is no row of it".into())
        };
        state.note(|| format!("look for {}: {settled:?}", part.entry));
        settled
    }
}

impl Channel for Platform {
    fn capabilities(&self) -> Capabilities {
        let plan = &self.world.plan.accounts[self.account];
        Capabilities {
            text_max: plan.text_max,
            text_unit: LengthUnit::Chars,
            sends_in_flight_max: plan.sends_max,
            leaves_evidence: plan.leaves_evidence,
        }
    }

    fn prepare<'a>(&'a self, part: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(async move {
            self.look("prepare", part).await?;
            Ok(Evidence(self.world.state().now().to_le_bytes().to_vec()))
        })
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            if !self.life.is_alive() {
                std::future::pending::<()>().await;
            }
            let _lane = Open::begin(&self.world, format!("D4: sends to {}", part.to));
            let _entry = Open::begin(&self.world, format!("D3: attempts of {}", part.entry));
            self.check_journalled(part);
            let (fate, pause) = self.life.reach(|| self.take(part)).await;
            tokio::time::sleep(pause).await;
            let failure = |class, retry_after| {
                let message = format!("{fate:?}");
                SendOutcome::NotSent(SendFailure { class, message, retry_after })
            };
            match fate {
                SendFate::Accept => {
                    let platform_id = part.entry.clone();
                    SendOutcome::Sent(Receipt { platform_id, note: String::new() })
                }
                SendFate::RefuseForNow => failure(FailureClass::Transient, None),
                SendFate::RefuseWithWish => failure(FailureClass::RateLimit, Some(pause * 50)),
                SendFate::RefuseForPermission => failure(FailureClass::Permission, None),
                SendFate::RefuseForGood => failure(FailureClass::Permanent, None),
                SendFate::AcceptInDoubt | SendFate::LoseInDoubt => {
                    SendOutcome::InDoubt("the connection was cut".into())
                }
                SendFate::PanicBefore | SendFate::PanicAfter => {
                    panic!("simulated: the client panics in a send")
                }
                SendFate::AcceptAndHang | SendFate::LoseAndHang => std::future::pending().await,
            }
        })
    }

    fn reconcile<'a>(
        &'a self,
        part: &'a Outbound,
        evidence: &'a Evidence,
    ) -> BoxFuture<'a, Settled> {
        Box::pin(async move {
            match self.look("reconcile", part).await {
                Ok(()) => self.find(part, evidence),
                Err(_) => Settled::Wait(Duration::from_secs(3)),
            }
        })
    }
}
