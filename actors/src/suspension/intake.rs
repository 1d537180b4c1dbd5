//! Whether new work is taken in, and how much is on its way in.
//!
//! Whoever brings work counts first and looks then, so that who closes first and counts then misses
//! nothing: between the two nobody slips through.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Openness {
    /// Everything.
    Open,
    /// Only what belongs to work that is under way.
    Own,
    /// Nothing.
    Shut,
}

/// The way in of an engine. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Intake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether the engine comes to its end. Held while the openness changes.
    has_ended: Mutex<bool>,
    openness: AtomicU8,
    /// Both at once, for those who look often.
    admitting: Arc<AtomicBool>,
    admissions: AtomicU64,
    requests: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Admission,
    Request,
}

/// Something on its way in; it counts until this is dropped.
#[derive(Debug)]
pub struct Pass(Intake, Kind);

impl Default for Intake {
    fn default() -> Self {
        Self(Arc::new(Inner {
            has_ended: Mutex::new(false),
            openness: AtomicU8::new(Openness::Open as u8),
            admitting: Arc::new(AtomicBool::new(true)),
            admissions: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }))
    }
}

impl Intake {
    /// Takes in this from now on; what comes to its end takes in nothing new any more.
    pub fn set(&self, openness: Openness) {
        let has_ended = self.0.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.openness.store(openness as u8, Ordering::SeqCst);
        self.0.admitting.store(openness == Openness::Open && !*has_ended, Ordering::SeqCst);
    }

    /// The engine comes to its end: nothing new is begun. What channels of their own programs bring
    /// is still made durable.
    pub fn end(&self) {
        let mut has_ended = self.0.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        *has_ended = true;
        self.0.admitting.store(false, Ordering::SeqCst);
    }

    /// Whether it comes to its end.
    pub fn has_ended(&self) -> bool {
        *self.0.has_ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether new work is begun.
    pub fn is_open(&self) -> bool {
        self.0.admitting.load(Ordering::SeqCst)
    }

    /// The same, for those who look often and know nothing else of this.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.admitting.clone()
    }

    /// What is taken in, unless it comes to its end.
    pub fn openness(&self) -> Openness {
        match self.0.openness.load(Ordering::SeqCst) {
            0 => Openness::Open,
            1 => Openness::Own,
            _ => Openness::Shut,
        }
    }

    /// Messages are brought to the router; nothing if they are not taken now. `is_own` says that
    /// they belong to work under way.
    pub fn admission(&self, is_own: bool) -> Option<Pass> {
        let pass = self.pass(Kind::Admission);
        match self.openness() {
            Openness::Open => Some(pass),
            Openness::Own if is_own => Some(pass),
            Openness::Own | Openness::Shut => None,
        }
    }

    /// A request begins; whoever has this looks then whether it may.
    pub fn request(&self) -> Pass {
        self.pass(Kind::Request)
    }

    /// Requests and admissions on their way.
    pub fn coming(&self) -> (u64, u64) {
        // A request may become an admission, and never the other way round.
        let requests = self.0.requests.load(Ordering::SeqCst);
        (requests, self.0.admissions.load(Ordering::SeqCst))
    }

    fn pass(&self, kind: Kind) -> Pass {
        self.count(kind).fetch_add(1, Ordering::SeqCst);
        Pass(self.clone(), kind)
    }

    fn count(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Admission => &self.0.admissions,
            Kind::Request => &self.0.requests,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.count(self.1).fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_counts_and_what_is_not_taken_does_not() {
        let intake = Intake::default();
        let (request, admission) = (intake.request(), intake.admission(false).unwrap());
        assert_eq!(intake.coming(), (1, 1));
        intake.set(Openness::Own);
        assert!(!intake.is_open() && intake.admission(false).is_none());
        let own = intake.admission(true).unwrap();
        intake.set(Openness::Shut);
        assert!(intake.admission(true).is_none());
        assert_eq!(intake.coming(), (1, 2));
        drop((request, admission, own));
        assert_eq!(intake.coming(), (0, 0));
    }

    #[test]
    fn what_comes_to_its_end_is_not_opened_again() {
        let intake = Intake::default();
        intake.set(Openness::Shut);
        intake.end();
        intake.set(Openness::Open);
        assert!(!intake.is_open() && intake.has_ended());
        assert!(intake.admission(false).is_some(), "an end makes durable what comes");
    }
}
