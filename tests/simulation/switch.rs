//! The death of one life: after the switch has fallen, its process does nothing more.

use std::sync::Mutex;

use tokio::sync::Notify;

/// When a life dies by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doom {
    /// At which effect, counting from 1.
    pub(crate) effect: u64,
    /// Whether that effect still happens; nobody hears of it then.
    pub(crate) is_after: bool,
}

/// Shared by all handles of one life.
pub(crate) struct Switch {
    state: Mutex<State>,
    fallen: Notify,
}

struct State {
    is_alive: bool,
    effects: u64,
    doom: Option<Doom>,
}

impl Switch {
    pub(crate) fn new(doom: Option<Doom>) -> Self {
        let state = State { is_alive: true, effects: 0, doom };
        Self { state: Mutex::new(state), fallen: Notify::new() }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.state.lock().unwrap().is_alive
    }

    pub(crate) fn effects(&self) -> u64 {
        self.state.lock().unwrap().effects
    }

    /// Performs an effect, if the process still lives to see its end.
    pub(crate) fn effect<T>(&self, perform: impl FnOnce() -> T) -> Option<T> {
        let doom = {
            let mut state = self.state.lock().unwrap();
            if !state.is_alive {
                return None;
            }
            state.effects += 1;
            state.doom.filter(|doom| doom.effect == state.effects)
        };
        match doom {
            None => Some(perform()),
            Some(Doom { is_after, .. }) => {
                if is_after {
                    drop(perform());
                }
                self.fall();
                None
            }
        }
    }

    /// As [`Switch::effect`], for callers that can wait for ever.
    pub(crate) async fn reach<T>(&self, perform: impl FnOnce() -> T) -> T {
        match self.effect(perform) {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    /// Dies now.
    pub(crate) fn fall(&self) {
        self.state.lock().unwrap().is_alive = false;
        self.fallen.notify_one();
    }

    /// Returns when the process has died.
    pub(crate) async fn fallen(&self) {
        self.fallen.notified().await;
    }
}
