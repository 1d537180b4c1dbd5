//! An engine that its own children can reach once it runs, without keeping it alive.

use std::sync::{Arc, OnceLock, Weak};

use super::{Engine, Inner};

/// Empty until the engine runs, and again once it is gone.
#[derive(Clone, Default)]
pub(crate) struct LateEngine {
    engine: Arc<OnceLock<Weak<Inner>>>,
    absence: Option<Arc<str>>,
}

impl LateEngine {
    /// For a service that has none at present, and says why.
    pub(crate) fn absent(why: &str) -> Self {
        Self { absence: Some(why.into()), ..Self::default() }
    }

    pub(super) fn set(&self, engine: &Engine) {
        // Set once, by the start of the engine.
        drop(self.engine.set(Arc::downgrade(&engine.0)));
    }

    /// The engine, if it runs.
    pub(crate) fn get(&self) -> Option<Engine> {
        self.engine.get().and_then(Weak::upgrade).map(Engine)
    }

    /// Why there will be none for a while; nothing if one is only starting or stopping.
    pub(crate) fn absence(&self) -> Option<&str> {
        self.absence.as_deref()
    }
}
