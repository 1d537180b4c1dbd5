//! One request as a message to a session: admitted, followed, and told how it ended.

use std::path::PathBuf;
use std::time::Duration;

use telson_actors::channel::webchat;
use telson_actors::client_tool::ClientTools;
use telson_actors::message::{Attachment, ChatKind, EnvelopeId, Inbound, SessionKey};
use telson_actors::provider::{ToolCall, Usage};
use telson_actors::router::{AdmitError, Relayed};
use telson_actors::stream::{Item, StreamKind, Subscription};
use tokio::time::Instant;

use super::client_tools::Offer;
use super::pictures::remove;
use super::shown::Shown;
use super::target::Target;
use crate::engine::{Engine, Outcome, Relay};
use crate::gateway::http::error::HttpError;

/// How often the journal is looked at while the stream says nothing of an end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for an answer. It comes into the session all the same.
const ANSWER_MAX: Duration = Duration::from_hours(1);
/// Longest wait for the words that stand in place of an answer.
const WORDS_MAX: Duration = Duration::from_secs(3);

/// What is wanted.
pub(super) struct Wanted {
    pub(super) target: Target,
    pub(super) text: String,
    /// The tools of the client.
    pub(super) offer: Offer,
    /// Pictures, as files that are there.
    pub(super) attachments: Vec<Attachment>,
}

/// A request on its way.
pub(super) struct Turn {
    engine: Engine,
    subscription: Subscription,
    pub(super) session: SessionKey,
    pub(super) message: EnvelopeId,
    /// When it was asked, in seconds since 1970.
    pub(super) created: i64,
    shown: Shown,
    round: Option<u32>,
    end: Instant,
    /// When its end without an answer was first seen.
    ended: Option<Instant>,
    is_looked_at: bool,
    /// Files that go with the answer.
    files: Vec<PathBuf>,
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Step {
    /// More of the answer.
    Text(String),
    /// All of it has been shown.
    Done(Answer),
    /// There will be none.
    Failed(HttpError),
}

/// A call for the client to make.
pub(super) type Called = ToolCall;

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// What the client is asked to do before the conversation can go on.
    pub(super) calls: Vec<Called>,
    pub(super) usage: Usage,
}

impl Turn {
    /// Admits the request. From here on its answer is certain to be in the session.
    pub(super) async fn begin(engine: Engine, wanted: Wanted) -> Result<Self, HttpError> {
        let Wanted { target, text, offer, attachments } = wanted;
        let session = target.session.clone();
        let files = attachments.iter().filter_map(|file| file.path.clone().map(PathBuf::from));
        let files = files.collect();
        // Before it is admitted, so that nothing of it is missed.
        let subscription = engine.stream(Some(&session));
        if let Some(model) = &target.model {
            engine
                .choose_model(&session, Some(model))
                .await
                .map_err(|error| HttpError::param("x-openclaw-model", error.to_string()))?;
        }
        let key = target.dedupe_key.clone();
        let tools = (!offer.tools.is_empty()).then(|| ClientTools {
            at: engine.clock().now(),
            tools: offer.tools,
            is_alone: offer.is_alone,
            must_call: offer.must_call,
        });
        let relayed = Relayed {
            session: session.clone(),
            agent: target.agent.clone(),
            inbound: Inbound {
                account: webchat::account(),
                dedupe_key: target.dedupe_key,
                chat: ChatKind::Direct,
                peer: session.to_string(),
                peer_aliases: Vec::new(),
                thread: None,
                sender: "api".into(),
                reply_to: webchat::destination(&session),
                text,
                attachments,
                sent_at: engine.clock().now(),
            },
            tools,
        };
        let said = relayed.inbound.text.clone();
        let relay = engine.relay(relayed).await.map_err(refused)?;
        check_key(&engine, (&key, target.asked), (&session, &said), &relay).await?;
        let (created, now) = (engine.clock().now().0 / 1000, Instant::now());
        Ok(Self {
            engine,
            subscription,
            session: relay.session,
            message: relay.message,
            created,
            shown: Shown::default(),
            round: None,
            end: now + ANSWER_MAX,
            ended: None,
            is_looked_at: relay.is_new,
            files,
        })
    }

    /// What happens next; nothing is lost if the wait for it is given up.
    pub(super) async fn next(&mut self) -> Step {
        loop {
            // A repeat may have its answer already.
            if std::mem::replace(&mut self.is_looked_at, true)
                && let Some(step) = self.hear().await
            {
                return step;
            }
            if let Some(step) = self.look().await {
                return step;
            }
        }
    }

    /// The whole answer at once.
    pub(super) async fn whole(mut self) -> Result<Answer, HttpError> {
        loop {
            match self.next().await {
                Step::Text(_) => {}
                Step::Done(answer) => return Ok(answer),
                Step::Failed(error) => return Err(error),
            }
        }
    }

    /// Listens until there is something to show, or a reason to look at the journal.
    async fn hear(&mut self) -> Option<Step> {
        let look_at = Instant::now() + LOOK_EVERY;
        loop {
            let item = tokio::time::timeout_at(look_at, self.subscription.next()).await.ok()?;
            let event = match item {
                Some(Item::Event(event)) => event,
                Some(Item::Gap(_)) => {
                    self.shown.gap();
                    continue;
                }
                None => return Some(Step::Failed(stopping())),
            };
            let is_own = event.turn == self.message.0;
            match event.kind {
                StreamKind::Answering { round } if is_own => {
                    self.shown.attempt(self.round.replace(round) != Some(round));
                }
                StreamKind::Text(piece) if is_own => {
                    if let Some(text) = self.shown.piece(&piece) {
                        return Some(Step::Text(text));
                    }
                }
                // Its message may also have been answered together with others.
                StreamKind::Answered { .. } | StreamKind::Failed { .. } => return None,
                _ => {}
            }
        }
    }

    /// What the journal says of it, where that is an end.
    async fn look(&mut self) -> Option<Step> {
        let now = Instant::now();
        let outcome = match self.engine.outcome(&self.session, self.message).await {
            Ok(outcome) => outcome,
            Err(error) => return Some(Step::Failed(HttpError::internal(error))),
        };
        let (text, calls, usage) = match outcome {
            Outcome::Waiting if now < self.end => return None,
            Outcome::Waiting => {
                let text = "no answer within an hour; it will be in the session";
                return Some(Step::Failed(HttpError::new(504, "timeout", text)));
            }
            Outcome::Answered { exchange, is_sent } => {
                remove(&std::mem::take(&mut self.files));
                let calls = exchange.handed().into_iter().cloned().collect();
                let text = if is_sent { exchange.answer } else { String::new() };
                (text, calls, exchange.usage)
            }
            Outcome::DeadLettered(why) => {
                let text = format!("the agent could not answer: {why}");
                return Some(Step::Failed(HttpError::new(502, "api_error", text)));
            }
            Outcome::Ended(said) => {
                let since = *self.ended.get_or_insert(now);
                if said.is_empty() && now < since + WORDS_MAX {
                    return None;
                }
                (said.join("\n\n"), Vec::new(), Usage::default())
            }
        };
        match self.shown.end(&text) {
            // Shown first, and told as the end by the next look, which comes at once.
            Some(rest) => {
                self.is_looked_at = false;
                Some(Step::Text(rest))
            }
            None => Some(Step::Done(Answer { text, calls, usage })),
        }
    }
}

/// A key names one request: the answer of another one is not for whoever asks this.
async fn check_key(
    engine: &Engine,
    (key, asked): (&str, Option<u64>),
    (session, said): (&SessionKey, &str),
    relay: &Relay,
) -> Result<(), HttpError> {
    let Some(asked) = asked else { return Ok(()) };
    let reused = |what: &str| {
        let text = format!(
            "this Idempotency-Key was used for another {what}; this request needs a key of its own"
        );
        HttpError::new(409, "idempotency_key_reused", text)
    };
    if relay.session != *session {
        return Err(reused("session"));
    }
    if relay.is_new {
        // The message itself is durable by now, with its text.
        return engine.note_asked(key, session, asked).await.map_err(HttpError::internal);
    }
    let is_same = engine.said_under(key, said).map_err(HttpError::internal)?
        && engine.asked_under(key, asked).map_err(HttpError::internal)?;
    if is_same { Ok(()) } else { Err(reused("request")) }
}

fn stopping() -> HttpError {
    HttpError::unavailable("the gateway is stopping; the answer will be in the session")
}

/// Why a message was not taken in.
pub(in super::super) fn refused(error: AdmitError) -> HttpError {
    let text = error.to_string();
    match error {
        AdmitError::Busy { .. } | AdmitError::Congested { .. } => {
            HttpError::new(429, "rate_limit_error", text).after(Duration::from_secs(1))
        }
        AdmitError::DiskFull(_)
        | AdmitError::Suspended
        | AdmitError::Restarting
        | AdmitError::Store(_) => HttpError::unavailable(text),
    }
}
