//! The keys under which requests are taken once, and what is said where one was used for something
//! else. A key stands for one text in one session: to take another one for a repeat would lose it.

use telson_actors::message::SessionKey;
use telson_actors::system_event::Used;

use crate::gateway::http::error::HttpError;

/// How the dedupe keys of webhooks begin.
pub(super) const KEY_PREFIX: &str = "hook:";
/// What programs know the refusal by.
const REUSED: &str = "idempotency_key_reused";

/// The key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnceKey {
    /// As the store has it.
    pub(super) key: String,
    /// Whether it is the number of a delivery, whose text is made here.
    pub(super) is_numbered: bool,
}

impl OnceKey {
    /// As its sender knows it.
    pub(super) fn shown(&self) -> &str {
        self.key.strip_prefix(KEY_PREFIX).unwrap_or(&self.key)
    }

    /// A repeat that says what the first request under this key has said.
    ///
    /// # Errors
    /// 409: it says something else, or says it to somebody else.
    pub(super) fn check(
        &self,
        first: Option<&SessionKey>,
        wanted: Option<&SessionKey>,
        is_same_text: bool,
    ) -> Result<(), HttpError> {
        if self.is_numbered {
            return Ok(());
        }
        if let (Some(first), Some(wanted)) = (first, wanted)
            && first != wanted
        {
            return Err(self.reused(&format!("session {first}")));
        }
        if is_same_text { Ok(()) } else { Err(self.reused("another text")) }
    }

    /// The same for a note that waits.
    ///
    /// # Errors
    /// 409.
    pub(super) fn check_note(
        &self,
        used: &Used,
        wanted: Option<&SessionKey>,
        text: &str,
    ) -> Result<(), HttpError> {
        self.check(used.session.as_ref(), wanted, used.says(text))
    }

    /// 409.
    pub(super) fn reused(&self, what: &str) -> HttpError {
        let text = format!(
            "the idempotency key {:?} was used for {what}; nothing of this request was taken: send \
             it again under a key of its own",
            self.shown()
        );
        HttpError::new(409, "conflict", text).code(REUSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_text_in_one_session() {
        let key = |is_numbered| OnceKey { key: "hook:k1".into(), is_numbered };
        let [one, other] = ["one", "other"].map(|name| SessionKey::main("main", name).unwrap());
        assert_eq!(key(false).check(Some(&one), Some(&one), true), Ok(()));
        assert_eq!(key(false).check(Some(&one), None, true), Ok(()));
        assert_eq!(key(true).check(Some(&one), None, false), Ok(()), "a delivery comes again");
        assert_eq!(key(true).check(Some(&one), Some(&other), true), Ok(()), "by another mapping");
        for (wanted, is_same, part) in
            [(Some(&other), true, "session agent:main:one"), (None, false, "another text")]
        {
            let error = key(false).check(Some(&one), wanted, is_same).unwrap_err();
            assert_eq!((error.status, error.code), (409, Some(REUSED)));
            assert!(error.message.contains("\"k1\""), "{}", error.message);
            assert!(error.message.contains(part), "{}", error.message);
            assert!(error.message.ends_with("under a key of its own"), "{}", error.message);
        }
    }
}
