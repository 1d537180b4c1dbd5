//! What the tests of the machine share: messages, settings, and what models and tools say.

mod alone;
mod asking;
mod crashing;
mod ends_once;
mod jobs;
mod leaving;
mod observer;
mod resuming;

use super::*;
use crate::message::{AccountKey, ChatKind, Envelope, Inbound, SessionKey};
use crate::provider::{
    Completion, Failure, FailureClass, Part, ToolCall, ToolResult, ToolStatus, Usage,
};

pub(in crate::session) fn record(id: u64, target: u8) -> InboxRecord {
    let account = AccountKey::new("fake", "default");
    let target = format!("person{target}");
    InboxRecord {
        envelope: Envelope {
            id: EnvelopeId(id),
            admitted_at: Timestamp(0),
            inbound: Inbound {
                account: account.clone(),
                dedupe_key: id.to_string(),
                chat: ChatKind::Direct,
                peer: target.clone(),
                peer_aliases: vec![],
                thread: None,
                sender: target.clone(),
                reply_to: Destination { account, target, thread: None },
                text: format!("text {id}"),
                attachments: vec![],
                sent_at: Timestamp(0),
            },
        },
        session: SessionKey::main("main", "main").unwrap(),
        agent: "main".into(),
        epoch: 1,
    }
}

fn saying(id: u64, target: u8, text: &str) -> InboxRecord {
    let mut record = record(id, target);
    record.envelope.inbound.text = text.into();
    record
}

pub(super) fn settings(lane: LaneSettings) -> Settings {
    Settings {
        lane,
        idle_max: Duration::from_mins(1),
        model: "fake/model".into(),
        context: Arc::default(),
        beat: BeatSettings::default(),
    }
}

fn answer() -> Completion {
    Completion::text("ok")
}

pub(super) fn asking(calls: u8) -> Completion {
    let mut completion = Completion::text("let me look");
    completion.parts.extend((0..calls).map(|id| {
        Part::Call(ToolCall {
            id: id.to_string(),
            name: "look".into(),
            arguments: "{}".into(),
            signature: None,
        })
    }));
    completion
}

fn done(call: &ToolCall) -> ToolResult {
    ToolResult {
        call: call.id.clone(),
        name: call.name.clone(),
        text: "seen".into(),
        status: ToolStatus::Done,
    }
}

fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        message: "no".into(),
        retry_after: None,
        output_started: false,
        usage: Usage::default(),
    }
}

fn only_turn(effects: &[Effect]) -> u64 {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Ask(ask) => Some(ask.turn),
            _ => None,
        })
        .expect("a turn begins")
}
