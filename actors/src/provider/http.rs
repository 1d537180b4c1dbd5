//! One attempt to post a request and read the answer, streamed or whole, with a limit on each wait.

mod body;
mod client;
mod config;
mod sse;

pub use config::{ConfigError, HttpConfig};

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use tokio::time::timeout;

use self::body::BodyFault;
use super::answer::{Decoder, Progress};
use super::classify::{classify_hiding, excerpt, failure};
use super::{Completion, Failure, FailureClass, Secret, TextSink};

/// How long the usage and the end mark may follow a text that is already complete.
const EPILOGUE_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one address.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    url: Url,
    /// Host and port, for messages.
    place: String,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    total_timeout: Duration,
    response_bytes_max: usize,
}

impl Http {
    /// A client for `path` below the configured address, with our `own` headers.
    pub(super) fn new(
        config: &HttpConfig,
        path: &[&str],
        own: &[(&'static str, String)],
    ) -> Result<Self, ConfigError> {
        let url = client::url(config, path)?;
        Ok(Self {
            client: client::client(config, &url)?,
            place: client::place(&url),
            url,
            headers: client::headers(config, own)?,
            secrets: client::secrets(config),
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            total_timeout: config.total_timeout,
            response_bytes_max: config.response_bytes_max,
        })
    }

    /// The same client for a path below its own.
    pub(super) fn below(&self, segment: &str, query: &str) -> Self {
        let mut below = self.clone();
        // Its constructor has made sure that the address can be a base.
        if let Ok(mut path) = below.url.path_segments_mut() {
            path.push(segment);
        }
        below.url.set_query(Some(query));
        below
    }

    /// The host that is called.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Posts `request` (JSON) once and hands each piece of text to `sink`.
    pub(super) async fn post(
        &self,
        request: String,
        decoder: impl Decoder,
        sink: TextSink<'_>,
    ) -> Result<Completion, Failure> {
        let mut output_started = false;
        let mut tap = |text: &str| {
            output_started = true;
            sink(text);
        };
        let attempt = self.attempt(request, decoder, &mut tap);
        let outcome = timeout(self.total_timeout, attempt)
            .await
            .unwrap_or_else(|_| Err(self.timed_out("was not done after", self.total_timeout)));
        outcome.map_err(|failure| Failure { output_started, ..failure })
    }

    /// Posts `request` (JSON) once and gives the answer, one whole document.
    pub(super) async fn document(&self, request: String) -> Result<String, Failure> {
        let reading = async {
            let response = self.send(request).await?;
            if !response.status().is_success() {
                return Err(self.refused(response).await);
            }
            let bytes = response.bytes_stream();
            let whole = body::document(bytes, self.idle_timeout, self.response_bytes_max);
            whole.await.map_err(|fault| self.fault(fault))
        };
        let late = || Err(self.timed_out("was not done after", self.total_timeout));
        timeout(self.total_timeout, reading).await.unwrap_or_else(|_| late())
    }

    async fn attempt(
        &self,
        request: String,
        decoder: impl Decoder,
        sink: TextSink<'_>,
    ) -> Result<Completion, Failure> {
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        match media_type(&response).as_str() {
            "text/event-stream" => {
                let events = body::events(
                    response.bytes_stream(),
                    self.idle_timeout,
                    self.response_bytes_max,
                );
                self.read(events, decoder, sink).await
            }
            "application/x-ndjson" => {
                let lines = body::documents(
                    response.bytes_stream(),
                    self.idle_timeout,
                    self.response_bytes_max,
                );
                self.read(lines, decoder, sink).await
            }
            // Some proxies answer a request for a stream with one document.
            "application/json" => self.read_document(response, decoder, sink).await,
            other => Err(failure(
                FailureClass::Format,
                format!(
                    "{} answered with content type {:?} in place of a model's answer: \
                     check base_url",
                    self.place,
                    excerpt(other, &self.secrets),
                ),
            )),
        }
    }

    async fn send(&self, request: String) -> Result<Response, Failure> {
        let call = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .headers(self.headers.clone())
            .body(request)
            .send();
        let limit = self.connect_timeout.saturating_add(self.idle_timeout);
        match timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.broken(error)),
            Err(_) => Err(self.timed_out("sent no answer for", limit)),
        }
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wish = wish.map(str::to_owned);
        let body = body::beginning(response.bytes_stream(), self.idle_timeout).await;
        classify_hiding(status, &body, wish.as_deref(), &self.secrets)
    }

    async fn read(
        &self,
        events: impl Stream<Item = Result<String, BodyFault<reqwest::Error>>>,
        mut decoder: impl Decoder,
        sink: TextSink<'_>,
    ) -> Result<Completion, Failure> {
        let epilogue = self.idle_timeout.min(EPILOGUE_TIMEOUT);
        let mut events = pin!(events);
        loop {
            let event = if decoder.is_whole() {
                timeout(epilogue, events.next()).await.unwrap_or(None)
            } else {
                events.next().await
            };
            let data = match event {
                Some(Ok(data)) => data,
                // The text is complete: what is missing are only numbers and an end mark.
                _ if decoder.is_whole() => return decoder.finish(),
                Some(Err(fault)) => return Err(self.fault(fault)),
                None => return Err(self.cut("the stream ended too early")),
            };
            match decoder.event(&data)? {
                Progress::Quiet => {}
                Progress::Text(text) => sink(text),
                Progress::Done => return decoder.finish(),
                Progress::Error => return Err(self.reported(&data)),
            }
        }
    }

    async fn read_document(
        &self,
        response: Response,
        mut decoder: impl Decoder,
        sink: TextSink<'_>,
    ) -> Result<Completion, Failure> {
        let bytes = response.bytes_stream();
        let document = body::whole(bytes, self.idle_timeout, self.response_bytes_max)
            .await
            .map_err(|fault| self.fault(fault))?;
        match decoder.document(&document)? {
            Progress::Quiet | Progress::Done => {}
            Progress::Text(text) => sink(text),
            Progress::Error => return Err(self.reported(&document)),
        }
        decoder.finish()
    }

    /// An error object where an answer was expected.
    fn reported(&self, data: &str) -> Failure {
        classify_hiding(200, data, None, &self.secrets)
    }

    fn fault(&self, fault: BodyFault<reqwest::Error>) -> Failure {
        match fault {
            BodyFault::Silent => self.timed_out("fell silent for", self.idle_timeout),
            BodyFault::Broken(error) => {
                self.cut(&excerpt(&causes(&error.without_url()), &self.secrets))
            }
            BodyFault::TooLong(limit) => failure(
                FailureClass::Format,
                format!("{} sent more than the limit of {limit} bytes", self.place),
            ),
            BodyFault::Malformed => failure(
                FailureClass::Format,
                format!("{} sent an answer that is not valid text", self.place),
            ),
        }
    }

    fn cut(&self, how: &str) -> Failure {
        failure(FailureClass::Server, format!("{} was cut mid-answer: {how}", self.place))
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        if error.is_timeout() {
            return self.timed_out("could not be reached within", self.connect_timeout);
        }
        let error = error.without_url();
        // Of a connection that was not made only the cause says anything, and a person reads it.
        let why = if error.is_connect() { root_cause(&error) } else { causes(&error) };
        let why = excerpt(&why, &self.secrets);
        failure(FailureClass::Server, format!("{} could not be reached: {why}", self.place))
    }

    fn timed_out(&self, what: &str, limit: Duration) -> Failure {
        failure(FailureClass::Timeout, format!("{} {what} {limit:?}", self.place))
    }
}

/// The content type in small letters, without its parameters; empty when there is none.
fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The innermost cause, without the number the system has for it.
fn root_cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let text = innermost.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// An error with its causes: the library's outermost words alone say nothing.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
