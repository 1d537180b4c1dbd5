//! Ports that outlive an engine: what one gateway has bound, the next one serves.
//!
//! A service that begins anew would fight with itself for a port, and somebody else could take it in
//! the meantime. What was bound is handed over instead; clients that knock meanwhile are served
//! later.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use super::visitor::Via;

/// A port that is bound. Cheap to clone; clones share the port.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// What was asked for; its port may have been any.
    asked: SocketAddr,
    pub(super) listener: Arc<TcpListener>,
    pub(super) via: Via,
}

impl Bound {
    pub(super) fn new(asked: SocketAddr, listener: TcpListener, via: Via) -> Self {
        Self { asked, listener: Arc::new(listener), via }
    }

    fn is(&self, asked: SocketAddr, via: Via) -> bool {
        self.via == via
            && (self.asked == asked || self.listener.local_addr().is_ok_and(|own| own == asked))
    }

    /// Whether the system lets nobody bind `asked` while this is there.
    fn is_in_the_way_of(&self, asked: SocketAddr) -> bool {
        self.listener.local_addr().is_ok_and(|own| {
            let covers = own.ip().is_unspecified() || asked.ip().is_unspecified();
            own.port() == asked.port() && (covers || own.ip() == asked.ip())
        })
    }
}

/// What a gateway may take over from the one before it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited(Arc<Mutex<Vec<Bound>>>);

impl Inherited {
    /// Everything there is to hand over.
    pub(super) fn all(&self) -> Vec<Bound> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, all: Vec<Bound>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// The port for this address if it is there; else whatever is in its way is let go.
    pub(super) fn take(&self, asked: SocketAddr, via: Via) -> Option<Bound> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find(|bound| bound.is(asked, via)) {
            return Some(found.clone());
        }
        all.retain(|bound| !bound.is_in_the_way_of(asked));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn bound(asked: &str, via: Via) -> (Bound, u16) {
        let listener = TcpListener::bind(at(asked)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (Bound::new(at(asked), listener, via), port)
    }

    #[test]
    fn a_port_is_handed_over_by_what_was_asked_and_by_what_it_became() {
        let inherited = Inherited::default();
        let (own, port) = bound("127.0.0.1:0", Via::Port);
        inherited.set(vec![own]);
        for asked in [at("127.0.0.1:0"), SocketAddr::new(at("127.0.0.1:0").ip(), port)] {
            let taken = inherited.take(asked, Via::Port).unwrap();
            assert_eq!(taken.listener.local_addr().unwrap().port(), port);
        }
        assert!(inherited.take(at("127.0.0.1:0"), Via::Tailscale).is_none());
        assert_eq!(inherited.all().len(), 1, "it was in nobody's way");
    }

    #[test]
    fn what_is_in_the_way_is_let_go() {
        let inherited = Inherited::default();
        let (own, port) = bound("127.0.0.1:0", Via::Port);
        inherited.set(vec![own]);
        let wider = SocketAddr::new(at("0.0.0.0:0").ip(), port);
        assert!(TcpListener::bind(wider).is_err());
        assert!(inherited.take(wider, Via::Port).is_none());
        TcpListener::bind(wider).unwrap();
    }
}
