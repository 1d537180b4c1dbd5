//! A model that answers with what it was told, piece by piece, and keeps a ledger of what it was
//! asked.
//!
//! In a person's text: `[[fail]]` is refused, `[[silent]]` answered with silence, `[[hold]]` answered
//! with a first piece and the rest once it is released.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::model_server::{Asked, Server};

/// How long an answer is held at most: far above what any test needs.
const HELD_MAX: Duration = Duration::from_mins(1);

/// How the request for a summary begins.
const SUMMARY_MARK: &str = "You shorten conversations";

#[derive(Clone)]
pub(crate) struct Model {
    server: Server,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What people said last, for each question.
    ledger: Vec<String>,
    released: bool,
    pause: Duration,
}

impl Model {
    pub(crate) fn start() -> Self {
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let serving = state.clone();
        Self { server: Server::start(move |asked| answer(asked, &serving)), state }
    }

    /// The config of an agent that asks this model.
    pub(crate) fn config(&self) -> Value {
        json!({
            "models": {"providers": {"mock": {
                "baseUrl": self.server.url(),
                "api": "openai-completions",
                "models": [{"id": "m"}],
            }}},
            "agents": {"defaults": {"model": "mock/m"}},
        })
    }

    /// What it was asked so far.
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.state.0.lock().unwrap().ledger.clone()
    }

    /// How often it was asked something with this mark.
    pub(crate) fn asked(&self, mark: &str) -> usize {
        self.ledger().iter().filter(|text| text.contains(mark)).count()
    }

    /// The addresses of pictures it was shown with this mark, for each question.
    pub(crate) fn shown(&self, mark: &str) -> Vec<String> {
        let ledger = self.server.ledger();
        let last = ledger.iter().filter_map(|asked| asked["messages"].as_array()?.last());
        let parts = last.filter(|last| last.to_string().contains(mark));
        let parts = parts.flat_map(|last| last["content"].as_array().cloned().unwrap_or_default());
        parts.filter_map(|part| part["image_url"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// Time between two pieces from now on.
    pub(crate) fn pause(&self, pause: Duration) {
        self.state.0.lock().unwrap().pause = pause;
    }

    /// Lets held answers go on.
    pub(crate) fn release(&self) {
        self.state.0.lock().unwrap().released = true;
        self.state.1.notify_all();
    }
}

fn answer(asked: &mut Asked, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let said = asked.last_said();
    let pause = {
        let mut state = shared.0.lock().unwrap();
        state.ledger.push(said.clone());
        state.pause
    };
    if said.contains("[[fail]]") {
        let error = json!({"error": {"message": "no such model", "type": "invalid_request_error"}});
        return asked.document("404 Not Found", &error);
    }
    asked.begin()?;
    let answer = if said.contains("[[silent]]") {
        "NO_REPLY".into()
    } else if asked.body.to_string().contains(SUMMARY_MARK) {
        "Somebody told some facts, and each was repeated.".into()
    } else {
        format!("echo: {said}")
    };
    let middle = answer.char_indices().nth(answer.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = answer.split_at(middle);
    asked.piece(first)?;
    if said.contains("[[hold]]") {
        let state = shared.0.lock().unwrap();
        drop(shared.1.wait_timeout_while(state, HELD_MAX, |state| !state.released));
    }
    std::thread::sleep(pause);
    asked.piece(second)?;
    asked.end(10, 5)
}
