//! A model that works by its messages, and a tool that waits for the test. Both keep their own
//! ledger and outlive engines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use telson::{Builder, Engine};
use telson_actors::provider::{
    Completion, Failure, Part, Provider, Request, Role, TextSink, ToolCall, ToolSpec, TurnMessage,
};
use telson_actors::session::AgentProfile;
use telson_actors::session::lane::{LaneSettings, Mode};
use telson_actors::tool::{Invocation, Tool, ToolTraits};
use tokio::sync::Semaphore;

use crate::sigkill::{Pages, TOOL_TAKES};
use crate::support::{Platform, builder, direct};

/// The model and its tool. A turn whose first message begins with `work N` calls the tool N times,
/// one after the other; one that says `hang` is never answered. Any other is answered with its texts.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Ledger>);

struct Ledger {
    asked: Mutex<Vec<Vec<String>>>,
    whole: Mutex<Vec<String>>,
    called: Mutex<Vec<String>>,
    gate: Semaphore,
    /// Calls of the model or the tool that were dropped before they had ended.
    cut: AtomicUsize,
    /// Where it is written down as well, for processes that are killed.
    pages: Option<Pages>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            whole: Mutex::default(),
            called: Mutex::default(),
            gate: Semaphore::new(0),
            cut: AtomicUsize::new(0),
            pages: None,
        }
    }
}

/// Counts a call that does not reach its end.
struct Cut<'a>(&'a AtomicUsize, bool);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Desk {
    /// One that writes down everything, and whose tool ends by itself.
    pub(crate) fn on_paper(pages: Pages) -> Self {
        Self(Arc::new(Ledger { pages: Some(pages), ..Ledger::default() }))
    }

    /// What the model was asked in each call: the texts of the turn, without what came before it.
    pub(crate) fn asked(&self) -> Vec<Vec<String>> {
        self.0.asked.lock().unwrap().clone()
    }

    /// The last thing the model was asked, with everything that came before it.
    pub(crate) fn last_whole(&self) -> String {
        self.0.whole.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// The idempotency keys of the tool's calls.
    pub(crate) fn called(&self) -> Vec<String> {
        self.0.called.lock().unwrap().clone()
    }

    /// How many calls were stopped.
    pub(crate) fn cut(&self) -> usize {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// Lets so many calls of the tool end.
    pub(crate) fn open(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    /// An engine with this model and tool, where lanes queue like this.
    pub(crate) fn engine(&self, platform: &Platform, mode: Mode) -> Builder {
        let lane = LaneSettings { mode, ..LaneSettings::default() };
        self.staff(builder(platform)).lane("", lane)
    }

    /// The only agent of this engine works here.
    pub(crate) fn staff(&self, builder: Builder) -> Builder {
        let profile = AgentProfile {
            provider: "desk".into(),
            model: "m".into(),
            system: String::new(),
            output_tokens_max: 100,
        };
        builder
            .agent("main", profile)
            .provider("desk", Arc::new(self.clone()))
            .tool(Arc::new(self.clone()), &["main"])
    }
}

/// The texts of the running turn and the number of its results.
fn turn_of(messages: &[TurnMessage]) -> (Vec<String>, usize) {
    let ends_turn = |message: &TurnMessage| {
        message.role == Role::Assistant
            && !message.parts.iter().any(|part| matches!(part, Part::Call(_)))
    };
    let begin = messages.iter().rposition(ends_turn).map_or(0, |at| at + 1);
    let (mut texts, mut results) = (Vec::new(), 0);
    for message in &messages[begin..] {
        for part in &message.parts {
            match part {
                Part::Text(text) if message.role == Role::User => texts.push(text.clone()),
                Part::Result(_) => results += 1,
                _ => {}
            }
        }
    }
    (texts, results)
}

impl Provider for Desk {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        _: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let (texts, results) = turn_of(&request.messages);
            self.0.asked.lock().unwrap().push(texts.clone());
            self.0.whole.lock().unwrap().push(format!("{:?}", request.messages));
            if let Some(pages) = &self.0.pages {
                pages.add("asked", &texts.join("|"));
            }
            let first = texts.first().map_or("", String::as_str);
            let wanted = first.strip_prefix("work ").and_then(|rest| rest.get(..1));
            let wanted: usize = wanted.map_or(0, |number| number.parse().unwrap());
            if texts.iter().any(|text| text.contains("hang")) {
                let _cut = Cut(&self.0.cut, false);
                std::future::pending::<()>().await;
            }
            if results < wanted {
                let (id, name) = (format!("c{results}"), "work".into());
                let arguments = json!({}).to_string();
                let call = Part::Call(ToolCall { id, name, arguments, signature: None });
                return Ok(Completion { parts: vec![call], ..Completion::text("") });
            }
            Ok(Completion::text(texts.join("|")))
        })
    }
}

impl Tool for Desk {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "work".into(),
            description: "Works.".into(),
            parameters: json!({"type": "object"}),
        }
    }

    fn traits(&self) -> ToolTraits {
        ToolTraits { is_idempotent: false, deadline: Duration::from_mins(1) }
    }

    fn call<'a>(&'a self, call: &'a Invocation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            self.0.called.lock().unwrap().push(call.idempotency_key.clone());
            if let Some(pages) = &self.0.pages {
                pages.add("called", &call.idempotency_key);
                tokio::time::sleep(TOOL_TAKES).await;
                return Ok("worked".into());
            }
            let mut cut = Cut(&self.0.cut, false);
            self.0.gate.acquire().await.unwrap().forget();
            cut.1 = true;
            Ok("worked".into())
        })
    }
}

/// Looks until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), looking).await;
    assert!(seen.is_ok(), "still waiting: {what}");
}

/// Returns when the person's session has taken in what was injected before: it has answered a
/// question that came behind it.
pub(crate) async fn heard(engine: &Engine, platform: &Platform, person: &str) {
    let asked = platform.sent_to(person).len();
    engine.inject(direct(&format!("heard {asked}"), person, "/queue")).await.unwrap();
    until("the session answers", || platform.sent_to(person).len() > asked).await;
}

/// What the person received, without the answers to [`heard`].
pub(crate) fn received(platform: &Platform, person: &str) -> Vec<String> {
    let mut texts = platform.sent_to(person);
    texts.retain(|text| !text.starts_with("Queue: "));
    texts
}

/// Ends an engine as a crash would, as far as one process can.
pub(crate) async fn stop(engine: Engine) {
    engine.shutdown(Duration::from_millis(50)).await;
}
