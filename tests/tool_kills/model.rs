//! A model that runs one command after the other before it answers, and keeps its own bill.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::model_server::{Asked, Server};

/// Answers that ask for a command before the last.
pub(crate) const ROUNDS: usize = 3;

#[derive(Clone)]
pub(crate) struct Model {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The answers that were given.
    bill: Vec<usize>,
    hang_in: Option<usize>,
    /// The answer that is refused for good.
    refuse_in: Option<usize>,
    is_hanging: bool,
}

impl Model {
    /// Its commands write what they do to `deeds`. While the file `hold` names a command, that
    /// command does not end.
    pub(crate) fn start(deeds: PathBuf, hold: PathBuf) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let serving = state.clone();
        let command = move |round| command(round, (&deeds, &hold));
        Self { server: Server::start(move |asked| answer(asked, &serving, &command)), state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// It does not give this answer when it is asked for it the first time.
    pub(crate) fn hang_in(&self, round: usize) {
        self.state.lock().unwrap().hang_in = Some(round);
    }

    /// It refuses to give this answer until told otherwise.
    pub(crate) fn refuse_in(&self, round: Option<usize>) {
        self.state.lock().unwrap().refuse_in = round;
    }

    pub(crate) fn is_hanging(&self) -> bool {
        self.state.lock().unwrap().is_hanging
    }

    pub(crate) fn bill(&self) -> Vec<usize> {
        self.state.lock().unwrap().bill.clone()
    }
}

fn answer(
    asked: &mut Asked,
    state: &Mutex<State>,
    command: &dyn Fn(usize) -> Value,
) -> std::io::Result<()> {
    let round = asked.count("tool");
    {
        let mut state = state.lock().unwrap();
        if state.hang_in.take_if(|hang_in| *hang_in == round).is_some() {
            state.is_hanging = true;
            drop(state);
            asked.hang();
            return Ok(());
        }
        if state.refuse_in == Some(round) {
            return asked.document("400 Bad Request", &json!({}));
        }
        state.bill.push(round);
    }
    asked.whole(&command(round))
}

fn command(round: usize, (deeds, hold): (&PathBuf, &PathBuf)) -> Value {
    if round >= ROUNDS {
        return json!({"role": "assistant", "content": "All done."});
    }
    let (deeds, hold) = (deeds.display(), hold.display());
    let command = format!(
        "echo begin {round} >> '{deeds}'; while [ \"$(cat '{hold}' 2>/dev/null)\" = {round} ]; \
         do sleep 0.05; done; echo end {round} >> '{deeds}'"
    );
    let arguments = json!({"command": command}).to_string();
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": format!("c{round}"), "type": "function",
         "function": {"name": "exec", "arguments": arguments}},
    ]})
}
