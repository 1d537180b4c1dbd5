//! HTTP on the gateway's port: health, the OpenAI-compatible surface, tools, webhooks, metrics, and
//! the way from there to WebSocket.
//!
//! Every body has a limit and a deadline. `server.rs` is the shell of
//! the connections, [`auth`] decides who is an operator.

mod auth;
mod body;
mod error;
mod health;
mod hooks;
mod metrics;
mod openai;
mod tools;
mod upgrade;

pub use metrics::Metrics;
pub(super) use metrics::watch;
pub(crate) use openai::{BASE64, Picture, keep_files, remove};

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get, post};
use telson_actors::suspension::Pass;

use self::error::HttpError;
use self::hooks::WebHooks;
use super::connection::Served;
use super::listener::Opener;
use super::page;
use crate::engine::Engine;
use crate::methods::Taking;

/// Checks what the config says of webhooks against the gateway's own secret.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn check(config: Option<&crate::config::Config>, token: &str) -> Result<(), String> {
    WebHooks::new(config, token).map(drop)
}

/// What the routes work with.
#[derive(Clone)]
pub(super) struct Routes {
    served: Served,
    opener: Opener,
    hooks: Option<Arc<WebHooks>>,
}

impl Routes {
    pub(super) fn new(served: Served, opener: Opener) -> Self {
        let hooks = WebHooks::new(
            served.host.config.as_ref(),
            served.settings.secret.as_deref().unwrap_or_default(),
        );
        let hooks = hooks.unwrap_or_else(|error| {
            tracing::error!("{error}; webhooks are off");
            None
        });
        Self { served, opener, hooks: hooks.map(Arc::new) }
    }

    /// The engine, if it runs.
    fn engine(&self) -> Result<Engine, HttpError> {
        self.served.engine.get().ok_or_else(|| HttpError::unavailable("the gateway is starting"))
    }

    /// The engine, if it takes new work; the work counts until this is dropped. For those who have
    /// shown that they may ask: whoever counts keeps the gateway from becoming quiet.
    fn admitting(&self) -> Result<Admitted, HttpError> {
        let engine = self.engine()?;
        // Counted before it is looked whether it may: see the intake.
        let pass = engine.suspension().intake().request();
        match engine.taking() {
            Taking::All => Ok(Admitted { engine, _pass: pass }),
            Taking::Ending => {
                Err(HttpError::unavailable("the gateway is stopping; nothing new is taken"))
            }
            Taking::Quieter | Taking::Nothing => {
                let text = "the gateway is suspended for a moment; nothing new is taken";
                Err(HttpError::unavailable(text))
            }
        }
    }
}

/// An engine that takes new work: it counts until this is dropped, when its answer begins.
struct Admitted {
    engine: Engine,
    _pass: Pass,
}

impl Deref for Admitted {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

/// Every route.
pub(super) fn router(routes: Routes) -> Router {
    let app = Router::new()
        .route("/", any(upgrade::root))
        .route("/assets/{*path}", get(page::asset))
        .route("/healthz", get(health::alive))
        .route("/health", get(health::alive))
        .route("/startupz", get(health::started))
        .route("/startup", get(health::started))
        .route("/readyz", get(health::ready))
        .route("/ready", get(health::ready))
        .route("/v1/chat/completions", post(openai::chat_completions))
        .route("/v1/responses", post(openai::responses))
        .route("/v1/embeddings", post(openai::embed))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{*id}", get(openai::model))
        .route("/tools/invoke", post(tools::invoke))
        .route("/api/diagnostics/prometheus", get(metrics::scrape));
    let app = match &routes.hooks {
        Some(hooks) => app.route(&format!("{}/{{*name}}", hooks.path()), any(hooks::hook)),
        None => app,
    };
    app.fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(routes.clone(), metrics::count))
        .with_state(routes)
}

async fn nothing() -> HttpError {
    HttpError::not_found("there is nothing at this path")
}

async fn wrong_method() -> Response {
    let error = HttpError::new(405, "invalid_request_error", "this path takes another method");
    axum::response::IntoResponse::into_response(error)
}
