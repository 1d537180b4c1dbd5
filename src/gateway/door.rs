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
    silent: BTreeMap<u64, Arc<Notify>>,
}

/// A place inside, kept until it is dropped.
pub(super) struct Place {
    door: Door,
    number: u64,
    leave: Arc<Notify>,
}

impl Door {
    pub(super) fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(Inside { crowd: Crowd::new(room), silent: BTreeMap::new() })))
    }

    /// A place for somebody, unless there is none; the one that has said nothing for longest may
    /// have to leave for it.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut inside = self.inside();
        let Entered { number, leaves } = inside.crowd.enter(address)?;
        if let Some(leave) = leaves.and_then(|leaves| inside.silent.remove(&leaves)) {
            leave.notify_one();
        }
        let leave = Arc::new(Notify::new());
        inside.silent.insert(number, leave.clone());
        Some(Place { door: self.clone(), number, leave })
    }

    /// How many are here.
    pub(super) fn total(&self) -> usize {
        self.inside().crowd.total()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It has said who it is, or need not: nobody pushes it out any more.
    pub(super) fn spoke(&self) {
        let mut inside = self.door.inside();
        inside.silent.remove(&self.number);
        inside.crowd.spoke(self.number);
    }

    /// Returns when it has to leave.
    pub(super) async fn pushed_out(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.silent.remove(&self.number);
        inside.crowd.left(self.number);
    }
}
