//! The `imsg rpc` child of one account, and the actor that owns it.
//!
//! The account's sender calls it; its own reading tasks report to it. It starts the child for the
//! first call, gives each call a deadline, and kills the whole process group when one passes: only
//! a dead child can no longer take effect. A child that ends is state, not a crash: the next call
//! starts another, after a growing pause if it keeps ending.
//! Restart: the old child has ended with the old actor; its open calls are in doubt.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use serde_json::{Value, json};
use telson_supervision::{Backoff, Health, Registry, Via, task};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, timeout};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::wire::{Line, RpcFault, encode_request, parse_line};
use crate::message::AccountKey;

/// Longest line the child may write, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A child that does not read its input for this long is stuck.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// How long the version probe may take before the child counts as an old one.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// Pauses between starts of a child that keeps ending without an answer.
const START_PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), 0.0);
/// How long a child may take to finish after the end of its input.
const FINISH_MAX: Duration = Duration::from_secs(3);
/// The id of the version probe; calls count from 1.
const PROBE_ID: u64 = 0;

/// How the child is started.
#[derive(Debug, Clone)]
pub(super) struct RpcConfig {
    /// The account.
    pub account: AccountKey,
    /// The program: `imsg`, or a wrapper around it.
    pub program: String,
    /// The database, where it is not the user's own.
    pub db_path: Option<String>,
}

/// What the actor needs.
#[derive(Clone)]
pub(super) struct RpcDeps {
    /// How to start the child.
    pub config: RpcConfig,
    /// Where it answers to its name.
    pub registry: Registry,
    /// Answered calls.
    pub health: Health,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum RpcError {
    /// Nothing reached a child.
    #[error("{0}")]
    NotStarted(String),
    /// The child answered with an error.
    #[error("imsg answered {}: {}", .0.code, .0.message)]
    Fault(RpcFault),
    /// The request reached the child, and no answer came.
    #[error("{0}")]
    NoAnswer(String),
}

type Answer = RpcReplyPort<Result<Value, RpcError>>;

/// One call.
pub(super) struct Call {
    method: &'static str,
    params: Value,
    deadline: Duration,
    reply: Answer,
}

/// What the actor is told.
pub(super) enum RpcMessage {
    /// Make this call (from the sender).
    Call(Call),
    /// The child wrote a line (from the reading task of this generation).
    Read(u64, String),
    /// The child's output ended (from the reading task of this generation).
    Ended(u64),
    /// The deadline of a call has passed (from its own timer).
    Overdue(u64, u64),
    /// The child is stuck and has to be replaced (from the sender).
    Restart(String),
    /// A pause before the next start is over (from its own timer).
    Start,
}

/// See the module.
pub(super) struct RpcActor;

/// Its memory.
pub(super) struct Rpc {
    deps: RpcDeps,
    child: Option<Running>,
    generation: u64,
    next_id: u64,
    /// Calls that wait for a child, or for its version.
    waiting: Vec<Call>,
    failures: u32,
    start_after: Option<Instant>,
    start_scheduled: bool,
}

struct Running {
    process: Child,
    stdin: Option<ChildStdin>,
    open: HashMap<u64, (Answer, &'static str)>,
    /// Whether the child knows `initialize`; unknown until it has answered the probe.
    modern: Option<bool>,
}

type Myself = ActorRef<RpcMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for RpcActor {
    type Msg = RpcMessage;
    type State = Rpc;
    type Arguments = RpcDeps;

    async fn pre_start(&self, myself: Myself, deps: RpcDeps) -> Outcome<Rpc> {
        let name = rpc_name(&deps.config.account);
        deps.registry.register(name, &myself, Some(deps.health.clone()));
        Ok(Rpc {
            deps,
            child: None,
            generation: 0,
            next_id: PROBE_ID + 1,
            waiting: Vec::new(),
            failures: 0,
            start_after: None,
            start_scheduled: false,
        })
    }

    async fn handle(&self, myself: Myself, message: RpcMessage, rpc: &mut Rpc) -> Outcome {
        match message {
            RpcMessage::Call(call) => {
                rpc.deps.health.taken();
                rpc.waiting.push(call);
                rpc.advance(&myself).await?;
            }
            RpcMessage::Read(generation, line) if generation == rpc.generation => {
                rpc.read(&line);
                rpc.advance(&myself).await?;
            }
            RpcMessage::Ended(generation) if generation == rpc.generation => {
                rpc.lose_child("the imsg child ended").await;
                rpc.advance(&myself).await?;
            }
            RpcMessage::Overdue(generation, id) if generation == rpc.generation => {
                rpc.overdue(id).await;
                rpc.advance(&myself).await?;
            }
            RpcMessage::Restart(reason) => {
                rpc.deps.health.taken();
                rpc.lose_child(&reason).await;
                rpc.advance(&myself).await?;
            }
            RpcMessage::Start => {
                rpc.start_scheduled = false;
                rpc.advance(&myself).await?;
            }
            RpcMessage::Read(..) | RpcMessage::Ended(..) | RpcMessage::Overdue(..) => {}
        }
        Ok(())
    }

    // Reading tasks end with their child; the end of the output says so itself.
    async fn handle_supervisor_evt(&self, _: Myself, _: SupervisionEvent, _: &mut Rpc) -> Outcome {
        Ok(())
    }

    async fn post_stop(&self, _: Myself, rpc: &mut Rpc) -> Outcome {
        if let Some(mut child) = rpc.child.take() {
            // The end of its input lets the child finish what it accepted.
            child.stdin = None;
            drop(timeout(FINISH_MAX, child.process.wait()).await);
        }
        Ok(())
    }
}

impl Rpc {
    /// Sends what waits, starting a child if there is none.
    async fn advance(&mut self, myself: &Myself) -> Outcome {
        if self.waiting.is_empty() || self.must_pause(myself) {
            return Ok(());
        }
        if self.child.is_none() {
            self.start_child(myself).await?;
        }
        let Some(child) = &self.child else { return Ok(()) };
        let Some(modern) = child.modern else { return Ok(()) };
        for call in std::mem::take(&mut self.waiting) {
            self.send(myself, call, modern).await;
        }
        Ok(())
    }

    /// Whether the pause before the next start is not over yet; then it is waited for.
    fn must_pause(&mut self, myself: &Myself) -> bool {
        let left = self
            .start_after
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            self.start_after = None;
        } else if !self.start_scheduled {
            self.start_scheduled = true;
            myself.send_after(left, || RpcMessage::Start);
        }
        !left.is_zero()
    }

    async fn start_child(&mut self, myself: &Myself) -> Outcome {
        self.generation += 1;
        let started = spawn_child(&self.deps.config);
        let (process, stdin, stdout, stderr) = match started {
            Ok(parts) => parts,
            Err(reason) => {
                if self.deps.health.note().as_ref() != Some(&reason) {
                    tracing::warn!(account = %self.deps.config.account, %reason, "nothing can be sent");
                }
                self.deps.health.set_note(Some(reason.clone()));
                self.refuse_waiting(&reason);
                return Ok(());
            }
        };
        let generation = self.generation;
        let (lines, errors) = (myself.clone(), self.deps.config.account.clone());
        let reading = read_lines(stdout, move |line| {
            drop(lines.send_message(match line {
                Some(line) => RpcMessage::Read(generation, line),
                None => RpcMessage::Ended(generation),
            }));
        });
        task::spawn(myself.get_cell(), reading).await?;
        let draining = read_lines(stderr, move |line| {
            if let Some(line) = line {
                tracing::debug!(account = %errors, %line, "imsg");
            }
        });
        task::spawn(myself.get_cell(), draining).await?;
        self.child =
            Some(Running { process, stdin: Some(stdin), open: HashMap::new(), modern: None });
        let probe = encode_request(PROBE_ID, "initialize", &json!({"protocol_version": 1}));
        self.write(&probe).await;
        myself.send_after(PROBE_MAX, move || RpcMessage::Overdue(generation, PROBE_ID));
        Ok(())
    }

    async fn send(&mut self, myself: &Myself, call: Call, modern: bool) {
        let Some(child) = &mut self.child else {
            return answer(call.reply, Err(RpcError::NotStarted("the imsg child ended".into())));
        };
        let mut params = call.params;
        if call.method == "send" && !modern {
            // Old versions fall through to AppleScript after any bridge error, time-outs included,
            // which sends twice.
            params["transport"] = json!("applescript");
        }
        let id = self.next_id;
        self.next_id += 1;
        child.open.insert(id, (call.reply, call.method));
        self.write(&encode_request(id, call.method, &params)).await;
        let generation = self.generation;
        myself.send_after(call.deadline, move || RpcMessage::Overdue(generation, id));
    }

    async fn write(&mut self, line: &str) {
        let Some(stdin) = self.child.as_mut().and_then(|child| child.stdin.as_mut()) else {
            return;
        };
        let written = timeout(WRITE_MAX, async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        });
        let failure = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("the imsg child does not take requests: {error}"),
            Err(_) => "the imsg child does not read its input".into(),
        };
        self.lose_child(&failure).await;
    }

    fn read(&mut self, line: &str) {
        let Some(child) = &mut self.child else { return };
        match parse_line(line) {
            Line::Answer(PROBE_ID, result) => child.modern = Some(result.is_ok()),
            Line::Answer(id, result) => {
                let Some((reply, _)) = child.open.remove(&id) else { return };
                self.failures = 0;
                self.deps.health.completed();
                self.deps.health.set_note(None);
                answer(reply, result.map_err(RpcError::Fault));
            }
            Line::Other => {}
            Line::Junk => {
                tracing::warn!(account = %self.deps.config.account, "imsg wrote a line that is no JSON-RPC");
            }
        }
    }

    /// A call without an answer: the child may hang in it for ever, and everything behind it too.
    async fn overdue(&mut self, id: u64) {
        let Some(child) = &mut self.child else { return };
        if id == PROBE_ID {
            child.modern.get_or_insert(false);
            return;
        }
        let Some((reply, method)) = child.open.remove(&id) else { return };
        let reason = format!("imsg did not answer {method} in time and was killed");
        answer(reply, Err(RpcError::NoAnswer(reason.clone())));
        self.lose_child(&reason).await;
    }

    /// Kills what is left of the child's process group, and answers its open calls.
    async fn lose_child(&mut self, reason: &str) {
        let Some(mut child) = self.child.take() else { return };
        self.generation += 1;
        kill_group(&child.process);
        drop(timeout(WRITE_MAX, child.process.wait()).await);
        for (reply, _) in std::mem::take(&mut child.open).into_values() {
            answer(reply, Err(RpcError::NoAnswer(reason.to_owned())));
        }
        if child.modern.is_none() {
            // It ended before it was ready: what waits was never written to it.
            self.refuse_waiting(reason);
        }
        let pause = START_PAUSES.delay(self.failures, 0.0);
        // One end is no state: the next call starts another child. Ends in a row are.
        if self.failures > 0 || child.modern.is_none() {
            self.deps.health.set_note(Some(reason.to_owned()));
        }
        self.failures = self.failures.saturating_add(1);
        tracing::info!(account = %self.deps.config.account, %reason, ?pause, "imsg child lost");
        self.start_after = Some(Instant::now() + pause);
    }

    fn refuse_waiting(&mut self, reason: &str) {
        for call in std::mem::take(&mut self.waiting) {
            answer(call.reply, Err(RpcError::NotStarted(reason.to_owned())));
        }
    }
}

fn answer(reply: Answer, result: Result<Value, RpcError>) {
    // A caller that is gone settles its entry by evidence.
    drop(reply.send(result));
}

type Parts = (Child, ChildStdin, tokio::process::ChildStdout, tokio::process::ChildStderr);

fn spawn_child(config: &RpcConfig) -> Result<Parts, String> {
    let mut command = Command::new(&config.program);
    command.arg("rpc");
    if let Some(path) = &config.db_path {
        command.args(["--db", path]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that helpers it starts can be killed with it.
        .process_group(0)
        .kill_on_drop(false)
        .spawn()
        .map_err(|error| {
            format!(
                "cannot start {:?} ({error}); install imsg or set channels.imessage.cliPath",
                config.program
            )
        })?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, stdin, stdout, stderr)),
        _ => Err("the imsg child has no pipes".into()),
    }
}

impl Drop for Running {
    // An actor that crashed must not leave a child behind that still sends.
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            kill_group(&self.process);
        }
    }
}

fn kill_group(child: &Child) {
    let pid =
        child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let killed = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        if let Err(error) = killed {
            tracing::debug!(%error, "the imsg child had ended by itself");
        }
    }
}

/// Hands over each line, and `None` at the end.
async fn read_lines(pipe: impl AsyncRead + Unpin, mut tell: impl FnMut(Option<String>)) {
    let mut lines = FramedRead::new(pipe, LinesCodec::new_with_max_length(LINE_BYTES_MAX));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => tell(Some(line)),
            Err(error) => {
                tracing::warn!(%error, "unreadable output of imsg");
                break;
            }
        }
    }
    tell(None);
}

fn rpc_name(account: &AccountKey) -> String {
    format!("imsg/{account}")
}

/// What the sender holds. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct RpcClient(Via<RpcMessage>);

impl RpcClient {
    /// The client of an account's child.
    pub(super) fn new(registry: &Registry, account: &AccountKey) -> Self {
        Self(registry.via(rpc_name(account)))
    }

    /// Replaces the child, because it is stuck.
    pub(super) fn restart(&self, reason: &str) {
        if self.0.cast(RpcMessage::Restart(reason.to_owned())).is_err() {
            tracing::debug!("the imsg actor is restarting anyway");
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// See [`RpcError`]: whether anything may have happened is in the variant.
    pub(super) async fn call(
        &self,
        method: &'static str,
        params: Value,
        deadline: Duration,
    ) -> Result<Value, RpcError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let call = Call { method, params, deadline, reply: sender.into() };
        self.0
            .cast(RpcMessage::Call(call))
            .map_err(|_| RpcError::NotStarted("the imsg actor is restarting".into()))?;
        receiver
            .await
            .unwrap_or_else(|_| Err(RpcError::NoAnswer("the imsg actor was restarted".into())))
    }
}
