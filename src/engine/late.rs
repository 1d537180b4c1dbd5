//! An engine that its own children can reach once it runs, without keeping it alive.

use std::sync::{Arc, OnceLock, Weak};

use super::{Engine, Inner};

/// Empty until the engine runs, and again once it is gone.
#[derive(Clone, Default)]
pub(crate) struct LateEngine(Arc<OnceLock<Weak<Inner>>>);

impl LateEngine {
    pub(super) fn set(&self, engine: &Engine) {
        // Set once, by the start of the engine.
        drop(self.0.set(Arc::downgrade(&engine.0)));
    }

    /// The engine, if it runs.
    pub(crate) fn get(&self) -> Option<Engine> {
        self.0.get().and_then(Weak::upgrade).map(Engine)
    }
}
