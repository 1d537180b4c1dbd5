//! A model that speaks chat completions and embeddings, and keeps its own ledger. What a person
//! says, and which tools it is offered, decide what it answers.

use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::model_server::{Asked, Server};

#[derive(Clone)]
pub(crate) struct Model {
    server: Server,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What was asked: the last message of a person.
    asked: Vec<String>,
    /// What was answered, as far as it was taken.
    answered: Vec<String>,
    is_released: bool,
}

impl Model {
    pub(crate) fn start() -> Self {
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let serving = state.clone();
        Self { server: Server::start(move |asked| answer(asked, &serving)), state }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.url()
    }

    /// How often something with this text in it was asked.
    pub(crate) fn asked(&self, text: &str) -> usize {
        self.state.0.lock().unwrap().asked.iter().filter(|asked| asked.contains(text)).count()
    }

    /// How often it was answered.
    pub(crate) fn answered(&self, text: &str) -> usize {
        self.state.0.lock().unwrap().answered.iter().filter(|asked| asked.contains(text)).count()
    }

    /// The whole text of the first question with this text in it.
    pub(crate) fn question(&self, text: &str) -> String {
        let state = self.state.0.lock().unwrap();
        state.asked.iter().find(|asked| asked.contains(text)).cloned().unwrap_or_default()
    }

    /// The last whole request with this text in it.
    pub(crate) fn request(&self, text: &str) -> Value {
        let ledger = self.server.ledger();
        let found = ledger.into_iter().rfind(|request| request.to_string().contains(text));
        found.unwrap_or_default()
    }

    /// Lets the answers go that wait.
    pub(crate) fn release(&self) {
        self.state.0.lock().unwrap().is_released = true;
        self.state.1.notify_all();
    }
}

fn answer(asked: &mut Asked, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    if asked.path.ends_with("/embeddings") || asked.path.ends_with("/embed") {
        return vectors(asked, shared);
    }
    let persons = asked.persons();
    let Some(text) = persons.last().cloned() else { return Ok(()) };
    shared.0.lock().unwrap().asked.push(text.clone());
    if text.contains("FAIL") {
        let error = json!({"error": {"message": "this model does not like it"}});
        return asked.document("400 Bad Request", &error);
    }
    asked.begin()?;
    let calls = calls(&text, &asked.body);
    let pieces: Vec<String> = if text.contains("HISTORY") {
        vec![format!("{} messages", persons.len())]
    } else if text.contains("PIECES") {
        ["pi", "ec", "es of an ", "answer"].map(String::from).to_vec()
    } else if text.contains("FLOOD") {
        flood()
    } else if text.contains("SLOW") {
        vec!["begun ".into(), String::new(), "ended".into()]
    } else if text.contains("MUTE") {
        Vec::new()
    } else if !calls.is_empty() {
        vec!["let me ".into(), "see".into()]
    } else {
        vec![format!("you said {text}")]
    };
    for piece in pieces {
        if piece.is_empty() {
            let state = shared.0.lock().unwrap();
            drop(shared.1.wait_while(state, |state| !state.is_released).unwrap());
            continue;
        }
        asked.piece(&piece)?;
    }
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let id = format!("call_{index}");
        let begun = json!({"index": index, "id": id, "type": "function",
                           "function": {"name": name, "arguments": ""}});
        asked.delta(&json!({"tool_calls": [begun]}))?;
        let more = json!({"index": index, "function": {"arguments": arguments}});
        asked.delta(&json!({"tool_calls": [more]}))?;
    }
    asked.end(11, 7)?;
    shared.0.lock().unwrap().answered.push(text);
    Ok(())
}

/// Many pieces: far more than anybody holds for a reader who does not read.
pub(crate) fn flood() -> Vec<String> {
    (0..20_000).map(|number| format!("{number:05} {}\n", "x".repeat(180))).collect()
}

/// A text that says `CALL a b` makes it call those of these tools that it is offered.
fn calls(text: &str, body: &Value) -> Vec<(String, String)> {
    let is_asked = body["messages"].as_array().and_then(|all| all.last());
    let is_asked = is_asked.is_some_and(|last| last["role"] == "user") && !text.contains("[result");
    let wanted = text.split_once("CALL ").filter(|_| is_asked).map(|(_, names)| names);
    let tools = body["tools"].as_array().cloned().unwrap_or_default();
    let is_offered = |name: &str| tools.iter().any(|tool| tool["function"]["name"] == name);
    let wanted = wanted.unwrap_or_default().split_whitespace().filter(|name| is_offered(name));
    let arguments = |name: &str| match name {
        "exec" => json!({"command": "echo ran >> trace"}),
        _ => json!({"for": name}),
    };
    wanted.map(|name| (name.to_owned(), arguments(name).to_string())).collect()
}

/// A vector tells how long its text is. Of `FEW` there is none, `FAIL` is refused, and `STUMBLE` is
/// answered the second time.
fn vectors(asked: &mut Asked, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let texts: Vec<String> = match &asked.body["input"] {
        Value::String(text) => vec![text.clone()],
        input => serde_json::from_value(input.clone()).unwrap_or_default(),
    };
    let text = texts.join("\n");
    let before = {
        let mut state = shared.0.lock().unwrap();
        let before = state.asked.iter().filter(|asked| **asked == text).count();
        state.asked.push(text.clone());
        before
    };
    match text.as_str() {
        "FAIL" => {
            let error = json!({"error": {"message": "this model does not like it"}});
            return asked.document("400 Bad Request", &error);
        }
        "STUMBLE" if before == 0 => return asked.document("503 Service Unavailable", &json!({})),
        _ => {}
    }
    let length = |text: &String| f64::from(u32::try_from(text.len()).unwrap());
    let vectors = texts.iter().map(|text| json!([length(text), 0.5]));
    let vectors: Vec<Value> = vectors.take(if text == "FEW" { 0 } else { usize::MAX }).collect();
    if asked.path.ends_with("/embed") {
        let answer = json!({"model": "m", "embeddings": vectors, "prompt_eval_count": 3});
        return asked.document("200 OK", &answer);
    }
    let data = vectors.iter().enumerate();
    let data: Vec<Value> =
        data.rev().map(|(index, it)| json!({"index": index, "embedding": it})).collect();
    let answer = json!({"object": "list", "data": data, "usage": {"prompt_tokens": 3}});
    asked.document("200 OK", &answer)
}
