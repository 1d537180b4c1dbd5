//! The sending half: one request for each attempt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use super::answer::judge;
use crate::channel::{
    Capabilities, Channel, Evidence, LengthUnit, Outbound, SendFailure, SendOutcome, Settled,
};
use crate::tool::core::web::guard::{self, Closed, causes};
use crate::tool::core::web::{Lookup, SsrfPolicy, SystemLookup};

/// Longest time of one request, its answer's head included.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Requests at the same time, over all addresses; one address gets one at a time.
const IN_FLIGHT_MAX: usize = 8;
/// Set to the same value for every attempt at the same event.
const KEY_HEADER: &str = "idempotency-key";

/// How webhooks are posted.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Sent as `Authorization: Bearer`, if there is one.
    pub token: Option<String>,
    /// What may be reached.
    pub policy: SsrfPolicy,
    /// Who knows the addresses of names.
    pub lookup: Arc<dyn Lookup>,
    /// How we introduce ourselves.
    pub user_agent: String,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            token: None,
            policy: SsrfPolicy::default(),
            lookup: Arc::new(SystemLookup),
            user_agent: concat!("telson/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// Never shows the token.
impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSettings").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// See the module.
pub struct Webhooks(WebhookSettings);

impl Webhooks {
    /// One that posts like this.
    pub fn new(settings: WebhookSettings) -> Self {
        Self(settings)
    }

    async fn post(&self, part: &Outbound) -> SendOutcome {
        let not_sent = SendOutcome::NotSent;
        let Some(key) = event_id(&part.text) else {
            let text = "only events with an id are posted, as JSON, and this is none";
            return not_sent(SendFailure::permanent(text));
        };
        let url = match Url::parse(&part.to.target) {
            Ok(url) => url,
            Err(error) => {
                let text = format!("its target is no address: {error}");
                return not_sent(SendFailure::permanent(text));
            }
        };
        // The rest of an address is often what lets somebody in.
        let place = part.to.shown_target();
        let WebhookSettings { policy, lookup, user_agent, token } = &self.0;
        let client = match guard::open(policy, lookup.as_ref(), user_agent, &url).await {
            Ok((client, _)) => client,
            Err(Closed::Refused(why)) => {
                let text = format!("{place} may not be posted to: {why} (cron.webhookSsrfPolicy)");
                return not_sent(SendFailure::permanent(text));
            }
            Err(Closed::Unreachable(why)) => {
                return not_sent(SendFailure::transient(format!(
                    "{place} can't be reached: {why}"
                )));
            }
        };
        let request = client.post(url.clone()).timeout(REQUEST_MAX);
        let request = request.header(CONTENT_TYPE, "application/json").header(KEY_HEADER, key);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match request.body(part.text.clone()).send().await {
            Ok(answer) => {
                let wish = answer.headers().get(RETRY_AFTER).and_then(|wish| wish.to_str().ok());
                judge(answer.status().as_u16(), wish)
            }
            Err(error) if error.is_connect() || error.is_builder() => {
                let why = causes(&error.without_url());
                not_sent(SendFailure::transient(format!("{place} can't be reached: {why}")))
            }
            Err(error) => {
                let why = causes(&error.without_url());
                SendOutcome::InDoubt(format!("{place} did not answer: {why}"))
            }
        }
    }
}

/// The id of an event, in what a header may hold.
fn event_id(text: &str) -> Option<String> {
    let event: Value = serde_json::from_str(text).ok()?;
    let id = event.get("id")?.as_str()?;
    let plain = |c: char| if c.is_ascii_graphic() { c.to_string() } else { escaped(c) };
    Some(id.chars().map(plain).collect()).filter(|id: &String| !id.is_empty())
}

fn escaped(c: char) -> String {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Channel for Webhooks {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // A body is never cut.
            text_max: usize::MAX,
            text_unit: LengthUnit::Bytes,
            sends_in_flight_max: IN_FLIGHT_MAX,
            leaves_evidence: false,
        }
    }

    fn prepare<'a>(&'a self, _: &'a Outbound) -> BoxFuture<'a, Result<Evidence, SendFailure>> {
        Box::pin(std::future::ready(Ok(Evidence::default())))
    }

    fn send<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.post(part))
    }

    fn reconcile<'a>(&'a self, part: &'a Outbound, _: &'a Evidence) -> BoxFuture<'a, Settled> {
        let place = part.to.shown_target();
        let why =
            format!("nobody can tell whether {place} has got this; ask there, then replay it");
        Box::pin(std::future::ready(Settled::Unresolved(why)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::super::destination;
    use super::*;
    use crate::channel::FailureClass;
    use crate::clock::Timestamp;

    // What was never connected was never said, and its address may hold what lets somebody in.
    #[tokio::test(start_paused = true)]
    async fn a_host_that_takes_no_connection_was_told_nothing() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        // Its queue is full when nobody gets in any more.
        let at_most = Duration::from_millis(300);
        let queue: Vec<TcpStream> =
            std::iter::from_fn(|| TcpStream::connect_timeout(&address, at_most).ok())
                .take(100)
                .collect();
        assert!(queue.len() < 100, "the queue never fills");
        let policy = SsrfPolicy { allow_private_network: true, ..SsrfPolicy::default() };
        let hooks = Webhooks::new(WebhookSettings { policy, ..WebhookSettings::default() });
        let part = Outbound {
            entry: "1".into(),
            to: destination(&format!("http://{address}/secret-a?k=secret-b")),
            text: serde_json::json!({"id": "x"}).to_string(),
            attempted_at: Timestamp(0),
        };
        match hooks.post(&part).await {
            SendOutcome::NotSent(failure) => {
                assert_eq!(failure.class, FailureClass::Transient, "{failure:?}");
                let said = failure.message;
                assert!(said.contains(&address.to_string()) && !said.contains("secret"), "{said}");
            }
            other => panic!("it is known that nothing was said: {other:?}"),
        }
    }

    #[test]
    fn an_events_id_fits_into_a_header() {
        let of = |id: &str| event_id(&serde_json::json!({"id": id}).to_string());
        assert_eq!(of("cron:a:1").as_deref(), Some("cron:a:1"));
        assert_eq!(of("cron:é b:1").as_deref(), Some("cron:%C3%A9%20b:1"));
        assert_eq!(of(""), None);
        assert_eq!(event_id("hello"), None);
        assert_eq!(event_id("{}"), None);
    }
}
