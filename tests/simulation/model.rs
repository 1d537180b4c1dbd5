//! A model provider that streams slowly, fails in every class, hangs, breaks off and panics, and
//! keeps its own bill.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_actors::provider::{
    Completion, Failure, FailureClass, Part, Provider, Request, Role, TextSink, TurnMessage, Usage,
};

use super::plan::AskFate;
use super::planted::Planted;
use super::platform::Open;
use super::switch::Switch;
use super::token::{Token, tokens};
use super::tools;
use super::world::{World, distinct};

/// A client that hears nothing gives up after so long: every wait of a client has a deadline.
const HANG: Duration = Duration::from_mins(7);

/// What is asked: the messages, and which of a turn's answers.
struct Asked {
    tokens: Vec<Token>,
    round: usize,
}

/// The client of the model, in one life.
pub(crate) struct Model {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Switch>,
}

impl Model {
    /// What is asked, checked: one session only, and nothing that is answered already.
    fn read(&self, request: &Request) -> Asked {
        let mut state = self.world.state();
        // What stands behind results was steered into the turn.
        let is_prompt = |message: &TurnMessage| {
            let has_result = message.parts.iter().any(|part| matches!(part, Part::Result(_)));
            message.role == Role::User && !has_result
        };
        let prompt = request.messages.iter().rposition(is_prompt).unwrap();
        let (_, since) = request.messages.split_at(prompt);
        let texts: String = since.iter().map(TurnMessage::plain).collect();
        let asked = tokens(texts.as_bytes());
        if let Err(complaint) = tools::is_complete(&request.messages) {
            state.complain(complaint);
        }
        let round = since.iter().filter(|message| message.role == Role::Assistant).count();
        let session = self.world.session_of(asked[0]);
        for message in &request.messages {
            for token in distinct(message.plain().as_bytes()) {
                if self.world.session_of(token) != session {
                    state.complain(format!("S3: {token} is told to session {session:?}"));
                }
            }
        }
        if is_summary(request) {
            // What is summed up is answered, of course; `tests/context.rs` judges what it costs.
            return Asked { tokens: asked, round };
        }
        for token in &asked {
            if state.transcribed.contains(token) {
                state.complain(format!("D7: {token} is asked again, and its answer is on disk"));
            }
        }
        // Whose turn was given up half-way and is replayed by a person is asked from the beginning.
        let is_replayed = asked.iter().any(|token| state.lettered.contains(token));
        let is_paid = state.paid.contains(&(asked.clone(), round));
        if is_paid && !is_replayed && !state.is_disturbed {
            state.complain(format!("D7: {} is paid for twice", names(&asked)));
        }
        Asked { tokens: asked, round }
    }

    /// The calls a faithful model makes before it answers these: the same in every life.
    fn calls(&self, request: &Request, asked: &Asked) -> Vec<Part> {
        let first = asked.tokens[0];
        let rounds = (first.number + first.person) % (self.world.plan.tool_rounds_max + 1);
        if !request.may_call || is_summary(request) || asked.round >= rounds {
            return Vec::new();
        }
        (0..=(first.number + asked.round) % 3).map(|n| tools::call(first, asked.round, n)).collect()
    }

    async fn answer(
        &self,
        request: &Request,
        asked: &Asked,
        sink: TextSink<'_>,
        pause: Duration,
    ) -> Completion {
        let calls = self.calls(request, asked);
        let mut text: String = asked.tokens.iter().map(|token| token.answer()).collect();
        if !calls.is_empty() {
            text = "I look that up. ".into();
        } else if self.world.planted == Some(Planted::HalfAnswer) {
            text.truncate(text.len() / 2);
        }
        for piece in [&text[..text.len() / 2], &text[text.len() / 2..]] {
            tokio::time::sleep(pause).await;
            sink(piece);
        }
        self.life
            .reach(|| {
                let mut state = self.world.state();
                if !is_summary(request) {
                    state.paid.insert((asked.tokens.clone(), asked.round));
                }
                let (names, count) = (names(&asked.tokens), calls.len());
                state.note(|| format!("answered {names} with {count} calls"));
            })
            .await;
        let mut completion = completion(text);
        completion.parts.extend(calls);
        completion
    }

    fn failure(&self, class: FailureClass, output_started: bool) -> Failure {
        let state = self.world.state();
        let wish = Duration::from_millis(state.chance.below(100_000));
        let retry_after = state.chance.one_in(3).then_some(wish);
        Failure {
            class,
            message: "simulated".into(),
            retry_after,
            output_started,
            usage: Usage::default(),
        }
    }
}

impl Provider for Model {
    fn stream<'a>(
        &'a self,
        request: &'a Request,
        sink: TextSink<'a>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            if !self.life.is_alive() {
                std::future::pending::<()>().await;
            }
            let asked = self.read(request);
            let session = self.world.session_of(asked.tokens[0]);
            let _open = Open::begin(&self.world, format!("S2: turns of session {session:?}"));
            let (fate, pause) = self
                .life
                .reach(|| {
                    let mut state = self.world.state();
                    let fate = state.fate(|weather| &weather.asks);
                    let pause = state.pause();
                    state.note(|| format!("ask {}: {fate:?} in {pause:?}", names(&asked.tokens)));
                    (fate, pause)
                })
                .await;
            match fate {
                AskFate::Answer => Ok(self.answer(request, &asked, sink, pause).await),
                AskFate::AnswerBlank => Ok(completion(" \n".into())),
                AskFate::Fail(class) => {
                    tokio::time::sleep(pause).await;
                    Err(self.failure(class, false))
                }
                AskFate::CutMidStream => {
                    sink("the beginning of");
                    tokio::time::sleep(pause).await;
                    Err(self.failure(FailureClass::Server, true))
                }
                AskFate::Hang => {
                    tokio::time::sleep(HANG).await;
                    Err(self.failure(FailureClass::Timeout, false))
                }
                AskFate::Panic => {
                    tokio::time::sleep(pause).await;
                    panic!("simulated: the client of the model panics")
                }
            }
        })
    }
}

/// Whether the older part of a conversation is to be summed up.
fn is_summary(request: &Request) -> bool {
    request.system.starts_with("You shorten conversations")
}

fn completion(text: String) -> Completion {
    Completion { usage: Usage { input: 10, output: 10 }, ..Completion::text(text) }
}

fn names(asked: &[Token]) -> String {
    asked.iter().map(Token::to_string).collect()
}
