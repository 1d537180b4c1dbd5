//! The receiving half of a platform: it polls, offers, and acknowledges only what was admitted.

use futures_util::future::BoxFuture;
use telson_actors::channel::Receiver;
use telson_actors::clock::Timestamp;
use telson_actors::inbox::dedupe_key;
use telson_actors::message::Inbound;
use telson_actors::router::{Admission, Admissions};
use tokio::time::Duration;

use super::planted::Planted;
use super::platform::Platform;
use super::world::BEGIN;

impl Receiver for Platform {
    fn run(&self, admissions: Admissions) -> BoxFuture<'static, ()> {
        let line = self.clone();
        Box::pin(async move { while line.receive(&admissions).await {} })
    }
}

impl Platform {
    /// One poll with all that follows; `false` if the receiver gives up.
    async fn receive(&self, admissions: &Admissions) -> bool {
        self.wait_for_due().await;
        let batch = self.life.reach(|| self.poll()).await;
        if !self.goes_on() {
            return false;
        }
        let mut admission = Admission::new(self.world.plan.accounts[self.account].key.clone());
        for item in &batch {
            if self.is_left_out(item) {
                continue;
            }
            admission.inbound.push(self.inbound(item));
        }
        admission.cursor = Some(format!("{batch:?}").into_bytes());
        let result = admissions.admit(admission).await;
        if !self.life.is_alive() {
            std::future::pending::<()>().await;
        }
        self.world.state().note(|| format!("offered {batch:?}: {result:?}"));
        if result.is_err() {
            tokio::time::sleep(Duration::from_millis(700)).await;
            return true;
        }
        for item in batch {
            if !self.goes_on() {
                return false;
            }
            self.life.reach(|| self.acknowledge(item)).await;
        }
        true
    }

    async fn wait_for_due(&self) {
        let due = self.world.state().next_due(self.account);
        let Some(due) = due else { return std::future::pending().await };
        let now = self.world.state().now();
        tokio::time::sleep(Duration::from_millis(due.saturating_sub(now))).await;
    }

    /// Some of what is due, in some order, now and then with a repeat.
    fn poll(&self) -> Vec<usize> {
        let mut state = self.world.state();
        let now = state.now();
        let is_due = |at: &usize| {
            let item = &state.items[*at];
            item.token.account == self.account && item.due.is_some_and(|due| due <= now)
        };
        let mut due: Vec<usize> = (0..state.items.len()).filter(is_due).collect();
        if state.chance.per_mille(state.weather.reorder) {
            state.chance.shuffle(&mut due);
            let again = *state.chance.pick(&due);
            due.push(again);
        }
        let most = 1 + state.chance.index(5);
        due.truncate(most);
        state.note(|| format!("poll {}: {due:?}", self.account));
        due
    }

    /// Whether the receiver stays on its feet.
    fn goes_on(&self) -> bool {
        let (falls, panics) = {
            let state = self.world.state();
            let falls = state.chance.per_mille(state.weather.receiver_falls);
            (falls, falls && state.chance.one_in(2))
        };
        assert!(!panics, "simulated: the receiver panics");
        !falls
    }

    fn inbound(&self, item: &usize) -> Inbound {
        let state = self.world.state();
        let item = &state.items[*item];
        let account = &self.world.plan.accounts[self.account];
        let sender = &account.people[item.token.person].name;
        let text = format!("{} asks a person.", item.token);
        let sent_at = Timestamp(BEGIN + i64::try_from(state.now()).unwrap());
        Inbound::direct(&account.key, &item.id, sender, &text, sent_at)
    }

    fn is_left_out(&self, item: &usize) -> bool {
        self.world.planted == Some(Planted::AckWithoutAdmission) && item.is_multiple_of(3)
    }

    /// D1: what is acknowledged is on disk.
    fn acknowledge(&self, item: usize) {
        let mut state = self.world.state();
        let account = &self.world.plan.accounts[self.account].key;
        let id = state.items[item].id.clone();
        if self.disk.synced(&dedupe_key(account, &id)).is_none() {
            state.complain(format!("D1: {id} is acknowledged and not on disk"));
        }
        let now = state.now();
        if state.chance.per_mille(state.weather.acks_lost) {
            let later = now + state.chance.below(600_000);
            state.items[item].due = Some(later);
            state.note(|| format!("the acknowledgement of {id} is lost"));
            return;
        }
        let known = &mut state.items[item];
        known.acked += 1;
        known.due = known.again.pop().map(|pause| now + pause);
        if self.world.planted == Some(Planted::NewIdentity) {
            known.id.push('x');
        }
        state.note(|| format!("acknowledged {id}"));
    }
}
