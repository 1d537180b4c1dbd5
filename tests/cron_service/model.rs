//! A model that says which instant it was asked about, and keeps its own bill.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::model_server::{Asked, Server};

#[derive(Clone)]
pub(crate) struct Model {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The instants it was asked about, and those it has answered.
    asked: Vec<String>,
    answered: Vec<String>,
    takes: Duration,
}

impl Model {
    pub(crate) fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let serving = state.clone();
        Self { server: Server::start(move |asked| answer(asked, &serving)), state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn takes(&self, time: Duration) {
        self.state.lock().unwrap().takes = time;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn answered(&self) -> Vec<String> {
        self.state.lock().unwrap().answered.clone()
    }
}

fn answer(asked: &mut Asked, state: &Mutex<State>) -> std::io::Result<()> {
    let prompt = asked.last_said();
    let about = prompt.lines().find_map(|line| line.strip_prefix("Scheduled for: "));
    let about = about.unwrap_or("hello").to_owned();
    let takes = {
        let mut state = state.lock().unwrap();
        state.asked.push(about.clone());
        state.takes
    };
    std::thread::sleep(takes);
    asked.whole(&json!({"role": "assistant", "content": format!("did {about}")}))?;
    state.lock().unwrap().answered.push(about);
    Ok(())
}
