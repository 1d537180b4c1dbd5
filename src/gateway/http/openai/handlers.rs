//! The routes.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use telson_actors::provider::EmbedRequest;

use super::asked::Asked;
use super::chat::{self, Completion};
use super::client_tools::refuse_clashes;
use super::embeddings;
use super::pictures;
use super::prompt::Prompt;
use super::responses::{self, Responding};
use super::sse::{Shape, stream};
use super::target::{Target, agents, no_vectors, vectors_of};
use super::turn::{Turn, Wanted};
use crate::config::{Endpoint, Endpoints};
use crate::engine::{ChooseError, EmbedError, Engine};
use crate::gateway::http::error::HttpError;
use crate::gateway::http::{Admitted, Routes, auth, body};
use crate::gateway::visitor::Visitor;
use crate::methods::Scope;

/// Longest body, in bytes.
const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Longest body of a request for embeddings, in bytes: its texts in the widest letters, escaped.
const EMBED_BYTES_MAX: usize = 1024 * 1024;
/// Names the parameters that were understood and can't be passed on to the agent's model.
const NOT_APPLIED: &str = "x-telson-not-applied";

type Answered = Result<Response, HttpError>;

/// `POST /v1/chat/completions`
pub(in super::super) async fn chat_completions(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let engine =
        begin(&routes, &visitor, &headers, (Scope::Write, |on| on.chat_completions.enabled))?;
    let body = body::read(&headers, body, BODY_BYTES_MAX).await?;
    let body = body::object(&headers, &body)?;
    let (asked, has_usage) = chat::read(&body)?;
    let target = Target::read(&routes, &asked.model, &headers, (&body, asked.user.as_deref()))?;
    let on: fn(&Endpoints) -> &Endpoint = |on| &on.chat_completions;
    let wanted = wanted((&routes, &engine), target, &asked, on).await?;
    let turn = Turn::begin(engine.clone(), wanted).await?;
    let shape = Completion::new(&turn, asked.model, has_usage);
    answer(turn, shape, asked.is_streamed, &asked.not_applied).await
}

/// `POST /v1/responses`
pub(in super::super) async fn responses(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let engine = begin(&routes, &visitor, &headers, (Scope::Write, |on| on.responses.enabled))?;
    let body = body::read(&headers, body, BODY_BYTES_MAX).await?;
    let body = body::object(&headers, &body)?;
    let (asked, previous) = responses::read(&body)?;
    let mut target = Target::read(&routes, &asked.model, &headers, (&body, asked.user.as_deref()))?;
    if let Some(previous) = &previous {
        target.go_on(&previous.session)?;
    }
    let on: fn(&Endpoints) -> &Endpoint = |on| &on.responses;
    let wanted = wanted((&routes, &engine), target, &asked, on).await?;
    let turn = Turn::begin(engine.clone(), wanted).await?;
    let shape = Responding::new(&turn, &asked, previous);
    answer(turn, shape, asked.is_streamed, &asked.not_applied).await
}

/// What becomes of a request: one message to a session.
async fn wanted(
    (routes, engine): (&Routes, &Engine),
    target: Target,
    asked: &Asked,
    endpoint: fn(&Endpoints) -> &Endpoint,
) -> Result<Wanted, HttpError> {
    refuse_clashes(&asked.offer, &engine.tool_names(&target.agent))?;
    let Prompt { text, images } = target.prompt(&asked.instructions, &asked.said)?;
    let offer = asked.offer.clone();
    let mut attachments = Vec::new();
    if !images.is_empty() {
        see(engine, &target)?;
        let host = &routes.served.host;
        let (Some(config), Some(dir)) = (&host.config, &host.state_dir) else {
            return Err(HttpError::unavailable("this gateway has no place for pictures"));
        };
        let rules = &endpoint(&config.gateway.http.endpoints).images;
        let pictures = pictures::collected(images, config, rules).await?;
        let name = target.dedupe_key.replace(':', "-");
        attachments = pictures::keep((dir.clone(), engine.store().clone()), name, pictures).await?;
    }
    Ok(Wanted { target, text, offer, attachments })
}

/// Refuses pictures for a model that sees none: they would be left out behind the client's back.
fn see(engine: &Engine, target: &Target) -> Result<(), HttpError> {
    let sight = engine.sight(&target.agent, &target.session, target.model.as_deref());
    match sight {
        Ok((_, inputs)) if inputs.has_images() => Ok(()),
        Ok((model, _)) => {
            let text = format!(
                "the agent's model {model} sees no pictures, as far as is known; say so in its \
                 input under models.providers, or choose another"
            );
            Err(HttpError::param("messages", text).code("unsupported_content"))
        }
        Err(ChooseError::Refused(error)) => {
            Err(HttpError::param("x-openclaw-model", error.to_string()))
        }
        Err(ChooseError::Store(error)) => Err(HttpError::internal(error)),
    }
}

/// `POST /v1/embeddings`
pub(in super::super) async fn embed(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let engine = begin(&routes, &visitor, &headers, (Scope::Write, is_any_on))?;
    let body = body::read(&headers, body, EMBED_BYTES_MAX).await?;
    let asked = embeddings::read(&body::object(&headers, &body)?)?;
    let (provider, model) = vectors_of(&routes, &asked.model, &headers)?;
    let (texts, dimensions) = (asked.texts.clone(), asked.dimensions);
    let request = EmbedRequest { model, texts, dimensions };
    let vectors = engine.embed(&provider, request).await.map_err(|error| match error {
        EmbedError::Failed(failure) => embeddings::failed(&failure),
        EmbedError::Unable { .. } => no_vectors(&error.to_string()),
        EmbedError::Restarting => HttpError::unavailable(error.to_string()),
        EmbedError::Late(_) => HttpError::new(504, "timeout", error.to_string()),
    })?;
    Ok(Json(embeddings::answer(&asked, &vectors)).into_response())
}

/// `GET /v1/models`
pub(in super::super) async fn models(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Answered {
    begin(&routes, &visitor, &headers, (Scope::Read, is_any_on))?;
    let data: Vec<Value> = names(&routes).iter().map(|id| shown(id)).collect();
    Ok(Json(json!({"object": "list", "data": data})).into_response())
}

/// `GET /v1/models/<id>`
pub(in super::super) async fn model(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answered {
    begin(&routes, &visitor, &headers, (Scope::Read, is_any_on))?;
    match names(&routes).iter().find(|name| **name == id) {
        Some(name) => Ok(Json(shown(name)).into_response()),
        None => Err(no_model(&id)),
    }
}

fn no_model(id: &str) -> HttpError {
    let text = format!("there is no model {id:?}; GET /v1/models lists them");
    HttpError { param: Some("model".into()), ..HttpError::not_found(text).code("model_not_found") }
}

fn is_any_on(on: &Endpoints) -> bool {
    on.chat_completions.enabled || on.responses.enabled
}

/// The names of the agents as models.
fn names(routes: &Routes) -> Vec<String> {
    let own = agents(routes).0.into_iter().map(|id| format!("openclaw/{id}"));
    ["openclaw".to_owned(), "openclaw/default".to_owned()].into_iter().chain(own).collect()
}

fn shown(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 0, "owned_by": "telson"})
}

/// Lets an operator with this right pass to an endpoint that is switched on.
fn begin(
    routes: &Routes,
    visitor: &Visitor,
    headers: &HeaderMap,
    (needed, is_on): (Scope, fn(&Endpoints) -> bool),
) -> Result<Admitted, HttpError> {
    let config = routes.served.host.config.as_ref();
    if !config.is_some_and(|config| is_on(&config.gateway.http.endpoints)) {
        let text = "this endpoint is off; switch it on in gateway.http.endpoints";
        return Err(HttpError::not_found(text).code("endpoint_disabled"));
    }
    auth::operator(routes, visitor, headers, needed)?;
    routes.admitting()
}

async fn answer<S: Shape + Send + 'static>(
    turn: Turn,
    shape: S,
    is_streamed: bool,
    not_applied: &[String],
) -> Answered {
    let mut response = if is_streamed {
        stream(turn, shape)
    } else {
        Json(shape.whole(&turn.whole().await?)).into_response()
    };
    if let Ok(names) = HeaderValue::from_str(&not_applied.join(", "))
        && !not_applied.is_empty()
    {
        response.headers_mut().insert(NOT_APPLIED, names);
    }
    Ok(response)
}
