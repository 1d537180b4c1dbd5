//! What an answer says about what became of a request (pure).

use std::time::Duration;

use crate::channel::{FailureClass, Receipt, SendFailure, SendOutcome};

/// Judges a status, with what it says about when to come again.
pub(super) fn judge(status: u16, retry_after: Option<&str>) -> SendOutcome {
    let says_when = retry_after.is_some();
    let retry_after =
        retry_after.and_then(|wish| wish.trim().parse().ok()).map(Duration::from_secs);
    let refused = |class, what: &str| {
        let message = format!("the webhook answered {status}: {what}");
        SendOutcome::NotSent(SendFailure { class, message, retry_after })
    };
    match status {
        200..=299 => SendOutcome::Sent(Receipt {
            platform_id: String::new(),
            note: format!("answered {status}"),
        }),
        // Said before anything was done. A balancer's 503 says nothing about a program behind it that
        // has the request; one that says when to come again means to be asked again.
        425 => refused(FailureClass::Transient, "not now"),
        503 if says_when => refused(FailureClass::Transient, "not now"),
        429 => refused(FailureClass::RateLimit, "too many requests"),
        // Not a state of the account: other addresses may take what this one refuses.
        401 | 403 => refused(FailureClass::Permanent, "it does not accept cron.webhookToken"),
        300..=399 => refused(FailureClass::Permanent, "redirects are not followed"),
        // It may have acted on what it has read.
        400..=407 | 409..=499 => refused(FailureClass::Permanent, "it does not want this"),
        // It failed somewhere on the way, or behind it.
        _ => SendOutcome::InDoubt(format!(
            "the webhook answered {status}, which does not say whether it has acted"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_proof_refusal_or_doubt() {
        let class = |status| match judge(status, Some("7")) {
            SendOutcome::NotSent(failure) => {
                assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
                Some(failure.class)
            }
            SendOutcome::Sent(_) | SendOutcome::InDoubt(_) => None,
        };
        assert!(matches!(judge(204, None), SendOutcome::Sent(_)));
        assert_eq!(class(503), Some(FailureClass::Transient));
        assert_eq!(class(429), Some(FailureClass::RateLimit));
        assert_eq!(class(425), Some(FailureClass::Transient));
        assert_eq!(class(408), None);
        assert_eq!(class(401), Some(FailureClass::Permanent));
        assert_eq!(class(302), Some(FailureClass::Permanent));
        assert_eq!(class(404), Some(FailureClass::Permanent));
    }

    proptest! {
        // D6: what failed on the other side may have acted.
        #[test]
        fn a_server_that_failed_leaves_doubt(status in 500u16..600) {
            prop_assert!(matches!(judge(status, None), SendOutcome::InDoubt(_)));
        }
    }
}
