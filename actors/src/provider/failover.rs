//! What follows a failed attempt: the same again, another key, or the end of this provider's part.
//!
//! Pure. The provider's actor asks it about keys, and the session decides about models with what
//! is left ([`advances`], [`may_pass`]).

use std::time::Duration;

use super::classify::retry_delay;
use super::{Failure, FailureClass};

/// What else a call could turn to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// Whether another key of the same provider could be used.
    pub others: bool,
    /// Keys this call has tried before the present one.
    pub tried: usize,
    /// Whether another model is asked when this provider fails.
    pub fallback: bool,
}

/// The pause before the same key is asked the same again, after `attempt` attempts with it; nothing
/// if it is not.
///
/// A server that fails or can't be reached is asked again whatever else there is: another key does
/// not mend it, and it mostly mends itself. Waiting for a rate, an overload or a deadline is for
/// those who have nothing else.
pub fn again(attempt: u32, failure: &Failure, scene: Scene, jitter: f64) -> Option<Duration> {
    let has_else = scene.fallback || rotates(failure, scene);
    let is_worth_it = failure.class == FailureClass::Server || !has_else;
    is_worth_it.then(|| retry_delay(attempt, failure, jitter)).flatten()
}

/// Whether another key of the same provider is tried, and not another model.
///
/// A key that is refused says nothing about the others. Crowding often concerns all of them: one
/// more is tried, then the next model, where there is one.
pub fn rotates(failure: &Failure, scene: Scene) -> bool {
    let concerns_the_key = match failure.class {
        FailureClass::Auth | FailureClass::AuthPermanent | FailureClass::Billing => true,
        FailureClass::RateLimit | FailureClass::Overloaded | FailureClass::Timeout => {
            scene.tried == 0 || !scene.fallback
        }
        FailureClass::Server
        | FailureClass::Format
        | FailureClass::ModelNotFound
        | FailureClass::ContextOverflow
        | FailureClass::EmptyResponse
        | FailureClass::Unclassified => false,
    };
    scene.others && concerns_the_key
}

/// Whether another model may do better. A conversation that is too long has to be shortened, not
/// shown to somebody else.
pub fn advances(class: FailureClass) -> bool {
    class != FailureClass::ContextOverflow
}

/// Whether a failure of this class may pass by itself.
pub fn may_pass(class: FailureClass) -> bool {
    match class {
        FailureClass::RateLimit
        | FailureClass::Overloaded
        | FailureClass::Timeout
        | FailureClass::Server
        | FailureClass::EmptyResponse => true,
        FailureClass::Auth
        | FailureClass::AuthPermanent
        | FailureClass::Billing
        | FailureClass::Format
        | FailureClass::ModelNotFound
        | FailureClass::ContextOverflow
        | FailureClass::Unclassified => false,
    }
}

/// A class in the words of people.
pub fn in_words(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Auth => "its key was refused",
        FailureClass::AuthPermanent => "its account may not use it",
        FailureClass::RateLimit => "too many requests",
        FailureClass::Overloaded => "overloaded",
        FailureClass::Billing => "no credit left",
        FailureClass::Timeout => "no answer in time",
        FailureClass::Server => "its server failed",
        FailureClass::Format => "its answer was not understood",
        FailureClass::ModelNotFound => "there is no such model",
        FailureClass::ContextOverflow => "the conversation is too long for it",
        FailureClass::EmptyResponse => "an empty answer",
        FailureClass::Unclassified => "an unknown failure",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Usage;
    use super::super::classify::RETRIES_MAX;
    use super::*;

    const ALONE: Scene = Scene { others: false, tried: 0, fallback: false };

    fn failure(class: FailureClass, wish: Option<u64>) -> Failure {
        let retry_after = wish.map(Duration::from_secs);
        Failure {
            class,
            message: "m".into(),
            retry_after,
            output_started: false,
            usage: Usage::default(),
        }
    }

    #[test]
    fn a_refused_key_is_followed_by_the_next_key_and_never_by_itself() {
        for class in [FailureClass::Auth, FailureClass::AuthPermanent, FailureClass::Billing] {
            let failure = failure(class, None);
            assert_eq!(again(1, &failure, ALONE, 0.0), None);
            assert!(!rotates(&failure, ALONE));
            assert!(rotates(&failure, Scene { others: true, tried: 7, fallback: true }));
        }
    }

    #[test]
    fn crowding_gets_one_more_key_and_then_another_model_without_waiting() {
        for class in [FailureClass::RateLimit, FailureClass::Overloaded] {
            let failure = failure(class, Some(2));
            let rich = Scene { others: true, tried: 0, fallback: true };
            assert_eq!((again(1, &failure, rich, 0.0), rotates(&failure, rich)), (None, true));
            let second = Scene { tried: 1, ..rich };
            assert_eq!((again(1, &failure, second, 0.0), rotates(&failure, second)), (None, false));
            assert!(rotates(&failure, Scene { fallback: false, ..second }), "nothing else is left");
            assert_eq!(again(1, &failure, ALONE, 0.0), Some(Duration::from_secs(2)));
        }
    }

    #[test]
    fn a_broken_server_is_asked_again_before_another_model_is() {
        let rich = Scene { others: true, tried: 0, fallback: true };
        let broken = failure(FailureClass::Server, None);
        let pauses: Vec<_> = (1..6).map(|attempt| again(attempt, &broken, rich, 0.0)).collect();
        assert_eq!(pauses.iter().flatten().count(), 3);
        assert!(!rotates(&broken, rich));
        assert_eq!(again(1, &failure(FailureClass::Server, Some(61)), rich, 0.0), None, "surfaced");
    }

    proptest! {
        // L1: a call ends, whatever its provider says.
        #[test]
        fn no_attempt_follows_for_ever(wish in prop::option::of(0u64..100), others: bool, tried in 0usize..9, fallback: bool) {
            for class in [FailureClass::RateLimit, FailureClass::Server, FailureClass::Timeout, FailureClass::Auth] {
                let (failure, scene) = (failure(class, wish), Scene { others, tried, fallback });
                prop_assert_eq!(again(RETRIES_MAX + 1, &failure, scene, 0.5), None);
                let streamed = Failure { output_started: true, ..failure.clone() };
                prop_assert_eq!(again(1, &streamed, scene, 0.5), None);
                if rotates(&failure, scene) {
                    prop_assert!(others && again(1, &failure, scene, 0.5).is_none());
                }
            }
        }
    }
}
