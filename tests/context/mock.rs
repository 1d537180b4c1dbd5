//! A model behind a real HTTP server, in the format of each provider. It reads only so much, refuses
//! the rest in that provider's words, and keeps its own books.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use telson_actors::provider::{HttpConfig, Provider, anthropic, gemini, ollama, openai, responses};

/// The provider that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

pub(crate) const APIS: [Api; 5] =
    [Api::OpenAi, Api::Responses, Api::Anthropic, Api::Gemini, Api::Ollama];

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An answer for a person: paid.
    Answer,
    /// A summary: paid.
    Summary,
    /// Refused as too long: free.
    Refused,
    /// Left without an answer: free.
    Hung,
}

/// One call, as the model books it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) struct Mock {
    pub(crate) api: Api,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    body_max: usize,
    books: Vec<Call>,
    summaries: VecDeque<String>,
    hang_on: Option<Kind>,
}

/// Every call comes with a system prompt; that of a summary begins like this.
const SUMMARY_MARK: &str = "You shorten conversations";

impl Mock {
    /// A model that reads so many bytes of a request.
    pub(crate) fn start(api: Api, body_max: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { body_max, ..State::default() }));
        let mock = Self { api, address, state };
        let serving = mock.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, mock) = (stream.unwrap(), serving.clone());
                std::thread::spawn(move || mock.serve(stream));
            }
        });
        mock
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A real client of it.
    pub(crate) fn client(&self) -> Arc<dyn Provider> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = HttpConfig::new(self.url());
        match self.api {
            Api::OpenAi => Arc::new(openai::OpenAi::new(config).unwrap()),
            Api::Responses => Arc::new(responses::Responses::new(config).unwrap()),
            Api::Anthropic => Arc::new(anthropic::Anthropic::new(config).unwrap()),
            Api::Gemini => Arc::new(gemini::Gemini::new(config).unwrap()),
            Api::Ollama => Arc::new(ollama::Ollama::new(config).unwrap()),
        }
    }

    /// What it writes the next times it is asked for a summary.
    pub(crate) fn write_summaries(&self, texts: &[&str]) {
        self.state.lock().unwrap().summaries.extend(texts.iter().map(|text| (*text).to_owned()));
    }

    /// The next call of this kind gets no answer.
    pub(crate) fn hang_on(&self, kind: Kind) {
        self.state.lock().unwrap().hang_on = Some(kind);
    }

    /// It reads so many bytes from now on.
    pub(crate) fn read_at_most(&self, body_max: usize) {
        self.state.lock().unwrap().body_max = body_max;
    }

    pub(crate) fn books(&self) -> Vec<Call> {
        self.state.lock().unwrap().books.clone()
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.books().iter().filter(|call| call.kind == kind).count()
    }

    /// Calls it was paid for, and the tokens of them: read, written.
    pub(crate) fn paid(&self) -> (u64, u64, u64) {
        let books = self.books();
        let paid = books.iter().filter(|call| matches!(call.kind, Kind::Answer | Kind::Summary));
        paid.fold((0, 0, 0), |(calls, input, output), call| {
            (calls + 1, input + call.input, output + call.output)
        })
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(body) = read_request(&mut reader) else { return };
        let Some((status, answer)) = self.answer(body) else {
            // Until the caller has gone.
            drop(reader.read(&mut [0; 1]));
            return;
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            answer.len()
        );
        // A caller that has gone has been answered all the same.
        drop(reader.get_mut().write_all((head + &answer).as_bytes()));
    }

    /// Books the call and answers it; nothing if it hangs.
    fn answer(&self, body: String) -> Option<(u16, Value)> {
        let mut state = self.state.lock().unwrap();
        let is_summary = body.contains(SUMMARY_MARK);
        let mut kind = if is_summary { Kind::Summary } else { Kind::Answer };
        if body.len() > state.body_max {
            kind = Kind::Refused;
        }
        if state.hang_on == Some(kind) {
            state.hang_on = None;
            kind = Kind::Hung;
        }
        let text = match kind {
            Kind::Summary => state.summaries.pop_front().unwrap_or_else(|| summary_of(&body)),
            Kind::Answer | Kind::Refused | Kind::Hung => {
                format!("Answer to {}.", last_ticket(&body))
            }
        };
        let (input, output) = (tokens(&body), tokens(&text));
        state.books.push(Call { kind, input, output, body });
        match kind {
            Kind::Hung => None,
            Kind::Refused => Some(refusal(self.api, input)),
            Kind::Answer | Kind::Summary => Some((200, document(self.api, &text, (input, output)))),
        }
    }
}

/// A text somebody says to it: with a number that must not be lost, and as long as wanted.
pub(crate) fn ticket(number: usize, words: usize) -> String {
    format!("Please remember ticket T-{number}0042. {}", "so it goes ".repeat(words))
}

/// The numbers in a text, each once.
pub(crate) fn tickets(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("T-") {
        let digits: String = text[at + 2..].chars().take_while(char::is_ascii_digit).collect();
        let number = format!("T-{digits}");
        if !digits.is_empty() && !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

fn summary_of(body: &str) -> String {
    format!("Anna had these tickets remembered: {}.", tickets(body).join(", "))
}

fn last_ticket(body: &str) -> String {
    let last = body.rfind("T-").map_or("", |at| &body[at..]);
    tickets(last).pop().unwrap_or_else(|| "you".into())
}

fn tokens(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap().div_ceil(4)
}

/// How each provider refuses, with the status it does so.
fn refusal(api: Api, tokens: u64) -> (u16, Value) {
    let error = match api {
        Api::OpenAi => json!({
            "message": "This model's maximum context length is 8192 tokens. However, your messages \
                        resulted in more tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
        }),
        Api::Responses => json!({
            "message": "Your input exceeds the context window of this model.",
            "type": "invalid_request_error", "param": "input", "code": "context_length_exceeded",
        }),
        Api::Anthropic => json!({
            "type": "invalid_request_error",
            "message": format!("prompt is too long: {tokens} tokens > 5000 maximum"),
        }),
        Api::Gemini => json!({
            "code": 400, "status": "INVALID_ARGUMENT",
            "message": format!(
                "The input token count ({tokens}) exceeds the maximum number of tokens allowed (5000)."
            ),
        }),
        Api::Ollama => json!("input length exceeds maximum context length"),
    };
    (400, json!({"type": "error", "error": error}))
}

/// An answer in each provider's format, in one document.
fn document(api: Api, text: &str, (input, output): (u64, u64)) -> Value {
    match api {
        Api::OpenAi => json!({
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": input, "completion_tokens": output},
        }),
        Api::Responses => json!({
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
        Api::Anthropic => json!({
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
        Api::Gemini => json!({
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": input, "candidatesTokenCount": output},
        }),
        Api::Ollama => json!({
            "message": {"role": "assistant", "content": text}, "done": true, "done_reason": "stop",
            "prompt_eval_count": input, "eval_count": output,
        }),
    }
}

/// The body of one request; nothing if the caller has gone.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
