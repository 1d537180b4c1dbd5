//! The door: everybody who is here, and the way to ask one of them to leave.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::crowd::{Crowd, Entered, Room};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Door(Arc<Mutex<Inside>>);

struct Inside {
    crowd: Crowd,
    /// How those are reached who may be asked to leave.
    strangers: BTreeMap<u64, Arc<Notify>>,
}

/// A place inside, kept until it is dropped.
pub(super) struct Place {
    door: Door,
    number: u64,
    is_proxy: bool,
    pushes: bool,
    leave: Arc<Notify>,
}

/// A request that is answered: nobody pushes its connection out until this is dropped.
pub(super) struct Asking(Arc<Place>);

impl Door {
    pub(super) fn new(room: Room) -> Self {
        let (crowd, strangers) = (Crowd::new(room), BTreeMap::new());
        Self(Arc::new(Mutex::new(Inside { crowd, strangers })))
    }

    /// A place for somebody, unless there is none; the one that has waited longest may have to leave
    /// for it. `is_proxy` says that many people stand behind this address.
    pub(super) fn enter(&self, address: IpAddr, is_proxy: bool) -> Option<Place> {
        let mut inside = self.inside();
        let Entered { number, leaves } = inside.crowd.enter(address, is_proxy)?;
        let pushes = leaves.is_some();
        inside.push_out(leaves);
        let leave = Arc::new(Notify::new());
        inside.strangers.insert(number, leave.clone());
        Some(Place { door: self.clone(), number, is_proxy, pushes, leave })
    }

    /// How many are here.
    pub(super) fn total(&self) -> usize {
        self.inside().crowd.total()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn push_out(&mut self, leaves: Option<u64>) {
        if let Some(leave) = leaves.and_then(|leaves| self.strangers.remove(&leaves)) {
            leave.notify_one();
        }
    }
}

impl Place {
    /// It has said who it is: nobody pushes it out any more.
    pub(super) fn spoke(&self) {
        let mut inside = self.door.inside();
        inside.strangers.remove(&self.number);
        inside.crowd.spoke(self.number);
    }

    /// Whether somebody had to leave for it.
    pub(super) fn pushes(&self) -> bool {
        self.pushes
    }

    /// It asks something.
    pub(super) fn asks(self: &Arc<Self>) -> Asking {
        self.door.inside().crowd.asks(self.number);
        Asking(self.clone())
    }

    /// Returns when it has to leave.
    pub(super) async fn pushed_out(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Place { door, number, is_proxy, .. } = self.0.as_ref();
        let mut inside = door.inside();
        let leaves = inside.crowd.waits(*number, *is_proxy);
        inside.push_out(leaves);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.strangers.remove(&self.number);
        inside.crowd.left(self.number);
    }
}
