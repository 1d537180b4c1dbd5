//! Who holds the lease, and for how long. Pure.
//!
//! What holds at all times: there is at most one lease; it ends at its time, however often it was
//! asked about; and it is renewed only by who asks in the same words.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long a lease lasts that is neither renewed nor given back.
pub const LEASE_MAX: Duration = Duration::from_mins(2);

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The asker's own name for it: the same again renews.
    pub request: String,
    /// Whether open terminals may be ended by what follows.
    pub ends_terminals: bool,
    /// Whether to wait for what is under way, instead of being told that there is some.
    pub drains: bool,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: String,
    wish: Wish,
    /// When it ends, by the steady time.
    pub until: Timestamp,
    /// Whether everything is quiet; else what is under way is waited for.
    pub is_ready: bool,
}

/// What a wish comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nobody has the lease.
    New,
    /// The asker has it.
    Same,
    /// Somebody has it, or the asker in other words; it is free after this time at the latest.
    Taken(Duration),
}

/// What a name of a lease means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// There is no lease (any more).
    Nothing,
    /// There is one of another name.
    Other,
    /// It is that one.
    It,
}

/// The lease, if somebody has one.
#[derive(Debug, Default)]
pub struct Book(Option<Lease>);

impl Book {
    /// The lease that is held.
    pub fn lease(&self) -> Option<&Lease> {
        self.0.as_ref()
    }

    /// What a wish comes to at `now`.
    pub fn ask(&self, wish: &Wish, now: Timestamp) -> Asked {
        match &self.0 {
            None => Asked::New,
            Some(lease) if lease.wish == *wish => Asked::Same,
            Some(lease) => Asked::Taken(lease.until.since(now)),
        }
    }

    /// Gives a lease that began at `since`.
    pub fn give(&mut self, id: String, wish: Wish, since: Timestamp, is_ready: bool) {
        self.0 = Some(Lease { id, wish, until: since.plus(LEASE_MAX), is_ready });
    }

    /// It lasts from `now` again.
    pub fn renew(&mut self, now: Timestamp) {
        if let Some(lease) = &mut self.0 {
            lease.until = now.plus(LEASE_MAX);
        }
    }

    /// Everything is quiet by now.
    pub fn ready(&mut self) {
        if let Some(lease) = &mut self.0 {
            lease.is_ready = true;
        }
    }

    /// What a name means.
    pub fn named(&self, id: &str) -> Named {
        match &self.0 {
            None => Named::Nothing,
            Some(lease) if lease.id == id => Named::It,
            Some(_) => Named::Other,
        }
    }

    /// Nobody has it any more.
    pub fn end(&mut self) {
        self.0 = None;
    }

    /// Whether its time is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.0.as_ref().is_some_and(|lease| lease.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(request: &str, drains: bool) -> Wish {
        Wish { request: request.into(), ends_terminals: false, drains }
    }

    #[test]
    fn only_the_same_words_renew_a_lease() {
        let (mut book, begin) = (Book::default(), Timestamp(1_000));
        assert_eq!(book.ask(&wish("a", false), begin), Asked::New);
        book.give("one".into(), wish("a", false), begin, true);
        let later = begin.plus(Duration::from_mins(1));
        assert_eq!(book.ask(&wish("a", false), later), Asked::Same);
        let rest = Asked::Taken(Duration::from_mins(1));
        let ends_terminals = Wish { ends_terminals: true, ..wish("a", false) };
        for other in [wish("b", false), wish("a", true), ends_terminals] {
            assert_eq!(book.ask(&other, later), rest, "{other:?}");
        }
        book.renew(later);
        assert!(!book.is_over(begin.plus(LEASE_MAX)));
        assert!(book.is_over(later.plus(LEASE_MAX)));
    }

    #[test]
    fn a_name_is_known_as_long_as_its_lease_lasts() {
        let mut book = Book::default();
        assert_eq!(book.named("one"), Named::Nothing);
        book.give("one".into(), wish("a", true), Timestamp(0), false);
        assert_eq!((book.named("one"), book.named("two")), (Named::It, Named::Other));
        assert!(book.lease().is_some_and(|lease| !lease.is_ready));
        book.ready();
        assert!(book.lease().is_some_and(|lease| lease.is_ready));
        book.end();
        assert_eq!(book.named("one"), Named::Nothing);
        assert!(!book.is_over(Timestamp(i64::MAX)));
    }
}
