//! Webhooks: `POST <path>/wake`, `<path>/agent` and `<path>/<name>`.
//!
//! A request shows its token in a header (or, from GitHub, a signature, and from Pub/Sub an identity
//! that Google has signed), becomes a message that is
//! durable before it is acknowledged, and is taken once under its key, which stands for one text. What
//! it says is fenced: it was written by others. [`wish`], [`place`], [`template`], [`github`] and [`gmail`] decide.

mod admit;
mod github;
mod gmail;
mod keys;
mod oidc;
mod once;
mod place;
mod template;
mod wake;
mod wish;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use telson_actors::channel::webchat;
use telson_actors::heartbeat::Skip;
use telson_actors::message::{Destination, SessionKey};
use telson_actors::tool::core::web::fence::fenced;
use tokio::time::Instant;

use self::admit::{Message, admit};
use self::keys::{Found, Keys};
use self::once::{KEY_PREFIX, OnceKey};
use self::template::Source;
use self::wake::{Note, Taken};
use self::wish::{SessionWish, Wish};
use super::error::HttpError;
use super::{Routes, auth, body};
use crate::config::{Config, HookPreset, Hooks, Secret};
use crate::engine::{ChooseError, Engine};
use crate::gateway::handshake::is_same;
use crate::gateway::limiter::{Class, Limiter, Patience, Source as Guesser};
use crate::gateway::network::neighbourhood;
use crate::gateway::visitor::Visitor;
use crate::hex::hex;

/// Longest name of a sender that is shown to an agent, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Longest body where the config says nothing, in bytes.
const BODY_BYTES: u64 = 256 * 1024;
/// When to push again while keys can't be read.
const KEYS_PAUSE: Duration = Duration::from_secs(30);
/// Where a token may stand besides `Authorization`.
const TOKEN_HEADERS: [&str; 2] = ["x-openclaw-token", "x-telson-token"];
/// Headers that templates do not see.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-hub-signature",
    "x-openclaw-token",
    "x-telson-token",
];

/// Everything the webhooks of a gateway need.
pub(super) struct WebHooks {
    config: Config,
    path: String,
    token: String,
    github_secret: String,
    bytes_max: usize,
    /// Who signs pushes of Gmail, where they may be signed.
    signers: Option<Keys>,
    limiter: Mutex<Limiter>,
    began: Instant,
}

impl WebHooks {
    /// From the config; nothing if they are switched off.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn new(config: Option<&Config>, gateway: &str) -> Result<Option<Self>, String> {
        let Some(config) = config.filter(|config| config.hooks.enabled) else { return Ok(None) };
        let hooks = &config.hooks;
        let token = hooks.token.as_ref().and_then(Secret::expose).unwrap_or_default();
        if token.is_empty() {
            return Err("hooks.token has no value: set it, or hooks.enabled to false".into());
        }
        if is_same(token, gateway) {
            let text = "hooks.token is the gateway's token: choose another one for webhooks";
            return Err(text.into());
        }
        let bytes = hooks.max_body_bytes.unwrap_or(BODY_BYTES);
        let path = hooks.path.as_deref().unwrap_or("hooks").trim_matches('/');
        let own = hooks.github_secret.as_ref().and_then(Secret::expose);
        Ok(Some(Self {
            path: format!("/{path}"),
            token: token.to_owned(),
            github_secret: own.unwrap_or(token).to_owned(),
            bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX),
            signers: hooks.gmail_push.as_ref().map(|push| Keys::new(push.jwks_url())),
            limiter: Mutex::new(Limiter::new(Patience::WEBHOOKS)),
            began: Instant::now(),
            config: config.clone(),
        }))
    }

    /// Where they are.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn hooks(&self) -> &Hooks {
        &self.config.hooks
    }

    fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Refuses an address with too many failures.
    fn check_lockout(&self, visitor: &Visitor) -> Result<(), HttpError> {
        let limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        match limiter.wait(&guesser(visitor), Class::Webhook, self.now()) {
            None => Ok(()),
            Some(left) => {
                let text = "too many wrong tokens; try again later";
                Err(HttpError::new(429, "rate_limit_error", text)
                    .after(Duration::from_millis(left)))
            }
        }
    }

    fn judged(&self, visitor: &Visitor, is_right: bool) -> Result<(), HttpError> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right {
            limiter.proven(&guesser(visitor), Class::Webhook);
            return Ok(());
        }
        limiter.failed(&guesser(visitor), Class::Webhook, self.now());
        Err(auth::unauthorized("the token or signature of this webhook is not right"))
    }

    /// Lets the account that pushes pass. A wrong identity counts like a wrong token; that its keys
    /// can't be read is nobody's guess, and Pub/Sub pushes again.
    async fn judge_identity(
        &self,
        visitor: &Visitor,
        signers: &Keys,
        identity: &str,
        now: i64,
    ) -> Result<(), HttpError> {
        let Some(push) = &self.hooks().gmail_push else { return self.judged(visitor, false) };
        let expected = oidc::Expected { audience: &push.audience, email: &push.service_account };
        let judged = match oidc::read(identity) {
            Err(why) => Err(why),
            Ok(token) => match signers.find(&token.key_id).await {
                Found::Key(key) => {
                    oidc::check(&token, &key, expected, now).map_err(ToOwned::to_owned)
                }
                Found::Nothing => Err("its key is not among those of Google".into()),
                Found::Unavailable(why) => {
                    let text = format!("the keys that signed this can't be read: {why}");
                    return Err(HttpError::unavailable(text).after(KEYS_PAUSE));
                }
            },
        };
        self.judged(visitor, judged.is_ok()).map_err(|refused| {
            let why = judged.err().unwrap_or_default();
            tracing::warn!("a push of Gmail is refused: {why} (hooks.gmailPush)");
            let text = format!("{}: {why}", refused.message);
            HttpError { message: text, ..refused }
        })
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let named = TOKEN_HEADERS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
        auth::bearer(headers).into_iter().chain(named).any(|it| is_same(it, &self.token))
    }
}

/// Whom a wrong token is counted for.
fn guesser(visitor: &Visitor) -> Guesser {
    Guesser::Address(neighbourhood(visitor.address))
}

/// The route.
pub(super) async fn hook(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let Some(hooks) = routes.hooks.clone() else {
        return Err(HttpError::not_found("webhooks are off"));
    };
    if method != Method::POST {
        let error = HttpError::new(405, "invalid_request_error", "webhooks are sent with POST");
        let mut response = error.into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    hooks.check_lockout(&visitor)?;
    if has_token_in_query(&uri) {
        let text = "a token in the address ends up in logs; send it in a header";
        return Err(HttpError::invalid(text));
    }
    let presets = &hooks.hooks().presets;
    let is_signed = name == "github" && presets.contains(&HookPreset::Github);
    let is_push = name == "gmail" && presets.contains(&HookPreset::Gmail);
    let identity = auth::bearer(&headers).filter(|bearer| is_push && oidc::is_meant(bearer));
    match (identity, &hooks.signers) {
        (Some(identity), Some(signers)) if !hooks.has_token(&headers) => {
            let now = routes.engine()?.clock().now().0 / 1000;
            hooks.judge_identity(&visitor, signers, identity, now).await?;
        }
        _ if is_signed => {}
        _ => hooks.judged(&visitor, hooks.has_token(&headers))?,
    }
    let bytes = body::read(&headers, body, hooks.bytes_max).await?;
    if is_signed {
        let stated = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
        hooks.judged(&visitor, github::is_signed(&hooks.github_secret, &bytes, stated))?;
        if headers.get("x-github-event").is_some_and(|event| event == "ping") {
            return Ok(Json(json!({"ok": true, "pong": true})).into_response());
        }
    }
    let payload = body::object(&headers, &bytes)?;
    let wish = wished(&hooks, &name, &headers, &payload)?;
    let engine = routes.admitting()?;
    let mut not_applied = wish.not_applied.clone();
    let taken = hooks.take(&engine, wish).await?;
    if taken.is_unseen {
        // Nobody was spoken to yet, so `last` is nobody.
        not_applied.push("channel");
    }
    let answer = json!({
        "ok": true,
        "runId": taken.message.map(|message| message.to_string()),
        "sessionKey": taken.session.as_str(),
        "duplicate": !taken.is_new,
        "waits": taken.waits.map(Skip::name),
        "notApplied": not_applied,
    });
    Ok(Json(answer).into_response())
}

fn has_token_in_query(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&');
    let mut names = names.map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| name.to_ascii_lowercase().contains("token"))
}

fn wished(
    hooks: &WebHooks,
    name: &str,
    headers: &HeaderMap,
    payload: &Value,
) -> Result<Wish, HttpError> {
    let shown = shown(headers);
    let source = Source { payload, headers: &shown, path: name };
    let mut wish = match name {
        "wake" => wish::wake(payload)?,
        "agent" => wish::agent(payload)?,
        _ => wish::named(&hooks.hooks().mappings, &hooks.hooks().presets, &source)?
            .ok_or_else(|| HttpError::not_found(format!("no webhook is called {name:?}")))?,
    };
    if wish.key.is_none() {
        let key = ["idempotency-key", "x-openclaw-idempotency-key"];
        let key = key.into_iter().find_map(|name| headers.get(name)?.to_str().ok());
        wish.key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    }
    Ok(wish)
}

/// The headers as templates see them.
fn shown(headers: &HeaderMap) -> Value {
    let pairs = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        !SECRET_HEADERS.contains(&name) && name != "x-hub-signature-256"
    });
    let pairs = pairs.filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

impl WebHooks {
    /// Makes a message of a wish, and returns when it is durable.
    async fn take(&self, engine: &Engine, wish: Wish) -> Result<Taken, HttpError> {
        let agent = self.agent(wish.agent.as_deref())?;
        let (id, once) = names(wish.key.as_deref())?;
        let main_key = &self.config.session.main_key;
        let text = if wish.is_trusted {
            wish.text.clone()
        } else {
            // The name may be a stranger's words, and stands outside the fence.
            let is_plain = |c: &char| c.is_alphanumeric() || " -_./@#".contains(*c);
            let name: String = wish.name.chars().filter(is_plain).take(NAME_CHARS_MAX).collect();
            fenced(&format!("A webhook ({name}) sent this."), &wish.text)
        };
        if let Some(mode) = wish.wake {
            let session = match &wish.session {
                SessionWish::Default => None,
                wish => Some(place::session(self.hooks(), &agent, main_key, wish, &once)?),
            };
            let dedupe_key = OnceKey { key: id, is_numbered: wish.is_numbered };
            return wake::take(engine, Note { session, agent, text, mode, dedupe_key }).await;
        }
        let session = place::session(self.hooks(), &agent, main_key, &wish.session, &once)?;
        let reply_to = Self::reply_to(engine, &wish, &agent, &session)?;
        let is_unseen =
            wish.channel.is_some() && wish.deliver && reply_to.account == webchat::account();
        let is_known = engine.relayed(&webchat::account(), &id).map_err(not_prepared)?.is_some();
        if !is_known {
            self.choose_model(engine, &wish, &session).await?;
            if self.is_own(&wish) {
                // One for each request: nobody comes back to it.
                engine.forget_later(&session).map_err(not_prepared)?;
            }
        }
        let sender = format!("webhook:{}", wish.name);
        let dedupe_key = OnceKey { key: id, is_numbered: wish.is_numbered };
        let message = Message { session, agent, text, sender, dedupe_key, reply_to };
        let taken = admit(engine, message).await.map(Taken::from)?;
        Ok(Taken { is_unseen, ..taken })
    }

    /// Whether a request has a session of its own.
    fn is_own(&self, wish: &Wish) -> bool {
        let is_default = wish.session == SessionWish::Default;
        wish.session == SessionWish::Own || is_default && self.hooks().default_session_key.is_none()
    }

    fn agent(&self, wanted: Option<&str>) -> Result<String, HttpError> {
        let all = self.config.agents_map();
        let Some(id) = wanted else {
            let default = self.config.default_agent().or_else(|| all.into_keys().next());
            return Ok(default.unwrap_or_else(|| "main".into()));
        };
        if all.contains_key(id) && place::may_choose(self.hooks(), id) {
            return Ok(id.to_owned());
        }
        Err(HttpError::param("agentId", format!("there is no agent {id:?} for webhooks")))
    }

    fn reply_to(
        engine: &Engine,
        wish: &Wish,
        agent: &str,
        session: &SessionKey,
    ) -> Result<Destination, HttpError> {
        let silent = webchat::destination(session);
        let together = |param: &str| {
            HttpError::param(param, "channel and to come together, or neither of them")
        };
        match (wish.channel.as_deref(), &wish.to) {
            (None, Some(_)) => Err(together("channel")),
            (Some("last"), None) => {
                let main = engine.heartbeats().main_session(agent);
                let last = engine.last_route(session).map_err(HttpError::internal)?;
                let last = match last {
                    Some(last) => Some(last),
                    None => engine.last_route(&main).map_err(HttpError::internal)?,
                };
                Ok(last.filter(|_| wish.deliver).unwrap_or(silent))
            }
            (Some(_), None) => Err(together("to")),
            (Some(channel), Some(to)) => {
                let account = wish.account.as_deref();
                let own = engine.accounts().filter(|account| **account != webchat::account());
                let account = place::account(own, channel, account)?;
                let to = Destination { account, target: to.clone(), thread: None };
                Ok(if wish.deliver { to } else { silent })
            }
            (None, None) => Ok(silent),
        }
    }

    /// A model is chosen for a session of its own only, and once.
    async fn choose_model(
        &self,
        engine: &Engine,
        wish: &Wish,
        session: &SessionKey,
    ) -> Result<(), HttpError> {
        let Some(model) = &wish.model else { return Ok(()) };
        if !self.is_own(wish) {
            let text = "a model can be chosen for a session of its own only";
            return Err(HttpError::param("model", text));
        }
        match engine.choose_model(session, Some(model)).await {
            Ok(_) => Ok(()),
            Err(ChooseError::Refused(why)) => Err(HttpError::param("model", why.to_string())),
            Err(ChooseError::Store(why)) => Err(not_prepared(why)),
        }
    }
}

/// 502: nothing of it was admitted.
fn not_prepared(error: impl ToString) -> HttpError {
    HttpError::new(502, "preparation", error.to_string())
}

/// The dedupe key of a request, and a name for a session of its own: both made of its key, or of one
/// made by chance, under which it may come again.
fn names(key: Option<&str>) -> Result<(String, String), HttpError> {
    let mut bytes = [0_u8; 16];
    let key = if let Some(key) = key {
        key.to_owned()
    } else {
        getrandom::fill(&mut bytes).map_err(HttpError::internal)?;
        hex(&bytes)
    };
    bytes = *Sha256::digest(&key).first_chunk().unwrap_or(&bytes);
    Ok((format!("{KEY_PREFIX}{key}"), hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key a sender is told of is as good as one of its own.
    #[test]
    fn a_request_without_a_key_comes_again_under_the_one_that_was_made_for_it() {
        let (id, once) = names(None).unwrap();
        let key = id.strip_prefix(KEY_PREFIX).unwrap();
        assert_eq!(names(Some(key)).unwrap(), (id.clone(), once));
        assert_ne!(names(None).unwrap().0, id);
    }
}
