//! Where a webhook's message goes, and where its answer. Pure.

use telson_actors::message::{AccountKey, SessionKey};

use super::wish::SessionWish;
use crate::config::Hooks;
use crate::gateway::http::error::HttpError;

/// Sessions that belong to other parts of the gateway.
const RESERVED: [&str; 3] = ["subagent", "cron", "acp"];

/// The session of a request. `once` names one of its own.
pub(super) fn session(
    hooks: &Hooks,
    agent: &str,
    main_key: &str,
    wish: &SessionWish,
    once: &str,
) -> Result<SessionKey, HttpError> {
    let key = match wish {
        SessionWish::Own => None,
        SessionWish::Default => hooks.default_session_key.as_deref(),
        SessionWish::Kept => {
            let text = "there is no session to be kept: send sessionKey, or set defaultSessionKey";
            let missing = || HttpError::param("sessionMode", text);
            Some(hooks.default_session_key.as_deref().ok_or_else(missing)?)
        }
        SessionWish::Configured(key) => Some(key.as_str()),
        SessionWish::Requested(key) => {
            check_requested(hooks, key)?;
            Some(key.as_str())
        }
    };
    match key {
        Some(key) => named(agent, main_key, key),
        None => SessionKey::hook(agent, once).map_err(bad),
    }
}

fn check_requested(hooks: &Hooks, key: &str) -> Result<(), HttpError> {
    if !hooks.allow_request_session_key {
        return Err(bad("a request can't choose its session here (hooks.allowRequestSessionKey)"));
    }
    let allowed = &hooks.allowed_session_key_prefixes;
    if !allowed.is_empty() && !allowed.iter().any(|prefix| key.starts_with(prefix.as_str())) {
        return Err(bad(format!("a session must begin with one of {}", allowed.join(", "))));
    }
    Ok(())
}

/// A session by its whole key, or by a name within its agent.
fn named(agent: &str, main_key: &str, key: &str) -> Result<SessionKey, HttpError> {
    let session = if key.starts_with("agent:") || key == "global" {
        let session = SessionKey::parse(key).map_err(bad)?;
        if session.agent().is_some_and(|owner| owner != agent) {
            return Err(bad(format!("the session {key} does not belong to agent {agent:?}")));
        }
        session
    } else if let Some(id) = key.strip_prefix("hook:") {
        SessionKey::hook(agent, id).map_err(bad)?
    } else {
        SessionKey::main(agent, if key == "main" { main_key } else { key }).map_err(bad)?
    };
    let place = session.as_str().split(':').nth(2).unwrap_or_default();
    let place = place.split("%3A").next().unwrap_or_default();
    if RESERVED.contains(&place) {
        return Err(bad(format!("the session {key} belongs to another part of the gateway")));
    }
    Ok(session)
}

fn bad(why: impl ToString) -> HttpError {
    HttpError::param("sessionKey", why.to_string())
}

/// The account an answer goes out from.
pub(super) fn account<'a>(
    accounts: impl Iterator<Item = &'a AccountKey>,
    channel: &str,
    id: Option<&str>,
) -> Result<AccountKey, HttpError> {
    let own: Vec<&AccountKey> = accounts.filter(|account| account.channel == channel).collect();
    let meant = match id {
        Some(id) => own.iter().find(|account| account.account == id),
        None if own.len() == 1 => own.first(),
        None => own.iter().find(|account| account.account == "default"),
    };
    meant.map(|account| (*account).clone()).ok_or_else(|| {
        let known: Vec<&str> = own.iter().map(|account| account.account.as_str()).collect();
        let (param, text) = if known.is_empty() {
            ("channel", format!("there is no channel {channel:?} here"))
        } else {
            ("accountId", format!("name one of the accounts of {channel}: {}", known.join(", ")))
        };
        HttpError::param(param, text)
    })
}

/// Whether a request may choose this agent.
pub(super) fn may_choose(hooks: &Hooks, agent: &str) -> bool {
    let allowed = hooks.allowed_agent_ids.as_ref();
    allowed.is_none_or(|allowed| allowed.iter().any(|id| id == "*" || id == agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(hooks: &Hooks, wish: &SessionWish) -> Result<String, HttpError> {
        session(hooks, "main", "main", wish, "id").map(String::from)
    }

    #[test]
    fn a_request_chooses_only_where_it_may() {
        let closed = Hooks::default();
        let wish = |key: &str| SessionWish::Requested(key.into());
        assert_eq!(place(&closed, &SessionWish::Default).unwrap(), "agent:main:hook:id");
        assert_eq!(place(&closed, &wish("hook:x")).unwrap_err().status, 400);
        assert_eq!(place(&closed, &SessionWish::Kept).unwrap_err().status, 400);
        let configured = SessionWish::Configured("hook:x".into());
        assert_eq!(place(&closed, &configured).unwrap(), "agent:main:hook:x");
        let open = Hooks {
            allow_request_session_key: true,
            allowed_session_key_prefixes: vec!["hook:".into(), "agent:".into(), "c".into()],
            default_session_key: Some("main".into()),
            ..Hooks::default()
        };
        assert_eq!(place(&open, &SessionWish::Default).unwrap(), "agent:main:main");
        assert_eq!(place(&open, &SessionWish::Own).unwrap(), "agent:main:hook:id");
        assert_eq!(place(&open, &wish("hook:a:b")).unwrap(), "agent:main:hook:a%3Ab");
        assert_eq!(place(&open, &wish("agent:main:hook:y")).unwrap(), "agent:main:hook:y");
        for bad in ["other", "agent:work:main", "agent:", "hook:", "agent:main:cron:x:y", "cron:x"]
        {
            assert_eq!(place(&open, &wish(bad)).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn an_account_has_to_be_meant() {
        let all = [("a", "default"), ("a", "x"), ("b", "only"), ("c", "x"), ("c", "y")];
        let all = all.map(|(channel, account)| AccountKey::new(channel, account));
        let chosen = |channel: &str, id: Option<&str>| {
            account(all.iter(), channel, id).map(|account| account.account)
        };
        assert_eq!(chosen("a", None).as_deref(), Ok("default"));
        assert_eq!(chosen("a", Some("x")).as_deref(), Ok("x"));
        assert_eq!(chosen("b", None).as_deref(), Ok("only"));
        assert_eq!(chosen("c", None).unwrap_err().param.as_deref(), Some("accountId"));
        assert_eq!(chosen("a", Some("z")).unwrap_err().param.as_deref(), Some("accountId"));
        assert_eq!(chosen("d", None).unwrap_err().param.as_deref(), Some("channel"));
    }
}
