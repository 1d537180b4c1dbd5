//! Which session and which destination a client means. Pure.

use telson_actors::message::session_key::{KeyParts, Place};
use telson_actors::message::{AccountKey, Destination, SessionKey};

use super::ErrorBody;

/// The agents there are, as far as names of sessions need it.
#[derive(Debug, Clone)]
pub(in crate::methods) struct Agents {
    pub(super) default: String,
    pub(super) known: Vec<String>,
    pub(super) main_key: String,
}

impl Agents {
    /// The session a key names, and its agent, who must be there. A short key such as `main` is one
    /// of `agent`, or of the default agent.
    pub(in crate::methods) fn session(
        &self,
        key: &str,
        agent: Option<&str>,
    ) -> Result<(SessionKey, String), ErrorBody> {
        let (session, agent) = self.named(key, agent)?;
        if !self.known.contains(&agent) {
            return Err(ErrorBody::invalid(format!("unknown agent id {agent:?}")));
        }
        Ok((session, agent))
    }

    /// The same for a session to be looked at or ended: its agent may be gone.
    pub(in crate::methods) fn named(
        &self,
        key: &str,
        agent: Option<&str>,
    ) -> Result<(SessionKey, String), ErrorBody> {
        let key = key.trim();
        let session = match SessionKey::parse(key) {
            Ok(session) => session,
            Err(error) if key.starts_with("agent:") => {
                return Err(ErrorBody::invalid(error.to_string()));
            }
            Err(_) => self.short(key, agent)?,
        };
        let own = session.agent();
        let meant = own.as_deref().or(agent).unwrap_or(&self.default).to_owned();
        if let Some(agent) = agent.filter(|agent| *agent != meant) {
            let text = format!("agentId {agent:?} does not match the session key {key:?}");
            return Err(ErrorBody::invalid(text));
        }
        Ok((self.main(session), meant))
    }

    /// The main session of an agent.
    pub(in crate::methods) fn main_session(
        &self,
        agent: Option<&str>,
    ) -> Result<(SessionKey, String), ErrorBody> {
        self.session(&self.main_key, agent)
    }

    fn short(&self, key: &str, agent: Option<&str>) -> Result<SessionKey, ErrorBody> {
        let agent = agent.unwrap_or(&self.default);
        SessionKey::parse(&format!("agent:{agent}:{key}"))
            .or_else(|_| SessionKey::main(agent, key))
            .map_err(|error| ErrorBody::invalid(format!("session key {key:?}: {error}")))
    }

    /// `main` names the main session, whatever that is called here.
    fn main(&self, session: SessionKey) -> SessionKey {
        match session.parts() {
            KeyParts::Agent { agent, place: Place::Main(key), thread: None } if key == "main" => {
                SessionKey::main(&agent, &self.main_key).unwrap_or(session)
            }
            _ => session,
        }
    }
}

/// A place on a platform, as a client names it.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) channel: Option<String>,
    pub(super) account: Option<String>,
    pub(super) target: Option<String>,
    pub(super) thread: Option<String>,
}

impl Named {
    /// Whether no place is named at all.
    pub(super) fn is_nowhere(&self) -> bool {
        let Self { channel, account, target, thread } = self;
        [channel, account, target, thread].iter().all(|part| part.is_none())
    }

    /// Whether it names web chat, where every answer can be read.
    pub(super) fn is_web_chat(&self) -> bool {
        self.channel.as_deref() == Some("webchat")
    }

    /// Whether an account is one of those that are named, or none are.
    pub(super) fn may_be(&self, account: &AccountKey) -> bool {
        account.channel != "webchat"
            && self.channel.as_ref().is_none_or(|channel| *channel == account.channel)
            && self.account.as_ref().is_none_or(|name| *name == account.account)
    }

    /// The destination, among the accounts that can send. Nothing if no target is named.
    pub(super) fn destination<'a>(
        self,
        accounts: impl Iterator<Item = &'a AccountKey>,
    ) -> Result<Option<Destination>, ErrorBody> {
        let Some(target) = self.target.clone() else { return Ok(None) };
        let mut meant: Vec<&AccountKey> = accounts.filter(|it| self.may_be(it)).collect();
        if meant.len() > 1 && self.account.is_none() {
            let first = meant[0].channel.clone();
            if meant.iter().all(|account| account.channel == first) {
                meant.retain(|account| account.account == "default");
            }
        }
        match meant.as_slice() {
            [account] => {
                let thread = self.thread;
                Ok(Some(Destination { account: (*account).clone(), target, thread }))
            }
            [] => Err(ErrorBody::invalid(
                "no configured account can send there; see `channels.status`",
            )),
            _ => Err(ErrorBody::invalid(
                "several accounts can send there: name channel and accountId",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Agents {
        let known = vec!["main".to_owned(), "ops".to_owned()];
        Agents { default: "main".into(), known, main_key: "home".into() }
    }

    #[test]
    fn short_keys_belong_to_an_agent() {
        for (key, agent, session) in [
            ("main", None, "agent:main:home"),
            ("home", None, "agent:main:home"),
            ("agent:ops:main", None, "agent:ops:home"),
            ("notes", Some("ops"), "agent:ops:notes"),
            ("agent:main:load-1", None, "agent:main:load-1"),
            ("telegram:group:5", None, "agent:main:telegram:group:5"),
            ("a:b", None, "agent:main:a%3Ab"),
            ("agent:ops:direct:x", Some("ops"), "agent:ops:direct:x"),
        ] {
            let (found, _) = agents().session(key, agent).unwrap();
            assert_eq!(found.as_str(), session, "{key}");
        }
    }

    #[test]
    fn agents_that_are_not_there_have_no_sessions() {
        for (key, agent) in [
            ("agent:nobody:main", None),
            ("x", Some("nobody")),
            ("agent:main:x", Some("ops")),
            ("agent:", None),
        ] {
            let error = agents().session(key, agent).unwrap_err();
            assert_eq!(error.code, "INVALID_REQUEST", "{key}");
        }
    }

    #[test]
    fn a_place_needs_one_account() {
        let accounts = ["imessage/default", "imessage/work", "sms/one", "webchat/default"]
            .map(|name| name.split_once('/').map(|(a, b)| AccountKey::new(a, b)).unwrap());
        let place = |channel: Option<&str>, account: Option<&str>| {
            let (channel, account) = (channel.map(str::to_owned), account.map(str::to_owned));
            let named = Named { channel, account, target: Some("+1".into()), thread: None };
            named.destination(accounts.iter()).map(|to| to.map(|to| to.account.to_string()))
        };
        assert_eq!(place(Some("imessage"), None), Ok(Some("imessage/default".into())));
        assert_eq!(place(Some("imessage"), Some("work")), Ok(Some("imessage/work".into())));
        assert_eq!(place(Some("sms"), None), Ok(Some("sms/one".into())));
        assert!(place(None, None).is_err());
        assert!(place(Some("webchat"), None).is_err());
        assert_eq!(Named::default().destination(accounts.iter()), Ok(None));
    }
}
