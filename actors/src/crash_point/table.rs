//! All crash points, in the order in which a life of the service meets them.

use super::Point;

const fn at(name: &'static str, place: &'static str, about: &'static str) -> Point {
    Point { name, place, about }
}

const BACKEND: &str = "actors/src/store/sled_backend.rs";
const RESCUE: &str = "actors/src/store/rescue.rs";
const COMPACTION: &str = "actors/src/store/compaction.rs";
const LIFE: &str = "actors/src/store/life.rs";
const ROUTER: &str = "actors/src/router/actor.rs";
const SESSION: &str = "actors/src/session/actor.rs";
const ASKING: &str = "actors/src/session/actor/asking.rs";
const FINISHING: &str = "actors/src/session/actor/finishing.rs";
const DELIVERY: &str = "actors/src/outbox/actor.rs";
const ATTEMPT: &str = "actors/src/outbox/actor/attempt.rs";
const OUTCOME: &str = "actors/src/outbox/actor/writing.rs";
const WATCHER: &str = "actors/src/channel/imessage/watcher.rs";
const ENDING: &str = "actors/src/session/actor/ending.rs";
const DEAD_LETTERS: &str = "actors/src/dead_letter/actor.rs";
const CLAIMS: &str = "actors/src/cron/actor/claims.rs";
const RUN: &str = "actors/src/cron/run.rs";
const COMMAND: &str = "actors/src/cron/command.rs";
const ENDS: &str = "actors/src/cron/actor/ends.rs";
const EVENTS: &str = "actors/src/system_event/handle.rs";
const TOLD: &str = "actors/src/session/actor/told.rs";
const HEARTBEAT: &str = "actors/src/heartbeat/actor.rs";

/// Dying here cuts a turn off, so that it has to be resumed.
pub const TURN_ASKED: &str = "turn.after_ask";
/// Dying here loses an answer that is not durable.
pub const ANSWER_UNWRITTEN: &str = "finish.before_commit";

/// Every point, its place and its moment.
pub const POINTS: &[Point] = &[
    at("open.before_current", RESCUE, "the database is open and not yet named the live one"),
    at("current.before_rename", COMPACTION, "the live database is named beside the old name"),
    at("open.before_cleanup", RESCUE, "leftovers of a compaction are about to be removed"),
    at("open.before_epoch", LIFE, "this life of the store is about to be counted"),
    at("open.after_epoch", LIFE, "this life of the store is counted"),
    at("recover.router_read", ROUTER, "unanswered messages are read, and none is handed on"),
    at("recover.router_handed", ROUTER, "one more unanswered message is handed to its session"),
    at("recover.session_loaded", SESSION, "a session is read and has done nothing yet"),
    at("recover.before_attempt", SESSION, "another try of a cut-off turn is not journalled yet"),
    at("recover.after_attempt", SESSION, "another try of a cut-off turn is journalled"),
    at("recover.delivery_read", DELIVERY, "an account's entries are read, and none is attempted"),
    at("recover.cron_read", "actors/src/cron/actor.rs", "jobs are read and none is looked at"),
    at("cron.before_claim", CLAIMS, "a job is due and its run not durable"),
    at("cron.after_claim", CLAIMS, "a run is durable and nobody has heard of it"),
    at("cron.before_admit", RUN, "the message of a run is about to be handed in"),
    at("cron.after_admit", RUN, "the message of a run is durable and its end not waited for"),
    at("command.before_begin", COMMAND, "a command is about to be noted as begun"),
    at("command.after_begin", COMMAND, "a command is noted as begun and is not started"),
    at("command.launched", COMMAND, "a command is started and its end not waited for"),
    at("command.before_end", COMMAND, "a command has ended and its end is not durable"),
    at("command.after_end", COMMAND, "the end of a command is durable and nobody has heard of it"),
    at("cron.before_end", ENDS, "the end of a run is known and neither it nor an answer written"),
    at("cron.after_end", ENDS, "the end of a run is durable and delivery has not heard of it"),
    at("event.before_commit", EVENTS, "a system event is reported and not durable"),
    at("event.after_commit", EVENTS, "a system event is durable and nobody has heard of it"),
    at("heartbeat.before_admit", HEARTBEAT, "a heartbeat is about to be handed in"),
    at("heartbeat.after_admit", HEARTBEAT, "a heartbeat is durable and its row has not gone on"),
    at("event.before_told", TOLD, "a turn is about to take what events wait"),
    at("event.after_told", TOLD, "a turn has taken what events waited and has not begun"),
    at("admit.before_commit", ROUTER, "a message is judged and not durable"),
    at("admit.after_commit", ROUTER, "a message is durable and nobody has heard of it"),
    at("admit.acknowledged", WATCHER, "the watcher has heard that a message is durable"),
    at("turn.before_ask", ASKING, "a model is about to be asked"),
    at("turn.after_ask", ASKING, "a model has been asked"),
    at("finish.before_commit", FINISHING, "an answer is there and not durable"),
    at("finish.after_commit", FINISHING, "an answer is durable and delivery has not heard of it"),
    at("send.before_commit", ATTEMPT, "evidence is gathered and the attempt not journalled"),
    at("send.after_commit", ATTEMPT, "the attempt is journalled and has not begun"),
    at("send.after_wire", ATTEMPT, "the platform has answered and no receipt is written"),
    at("receipt.before_commit", OUTCOME, "a send is known to be out and its receipt not written"),
    at("receipt.after_commit", OUTCOME, "a receipt is written"),
    at("doubt.before_commit", OUTCOME, "an attempt without a known end is not journalled as such"),
    at("doubt.after_commit", OUTCOME, "an attempt without a known end is journalled as such"),
    at("doubt.looked", ATTEMPT, "evidence was looked for and nothing done with the answer"),
    at("dead_letter.before_message", ENDING, "a message is about to become a dead letter"),
    at("dead_letter.after_message", ENDING, "a message has become a dead letter"),
    at("dead_letter.before_reply", OUTCOME, "a reply is about to become a dead letter"),
    at("dead_letter.after_reply", OUTCOME, "a reply has become a dead letter"),
    at("replay.before_message", DEAD_LETTERS, "a dead message is about to be put back to work"),
    at("replay.after_message", DEAD_LETTERS, "a dead message is back at work, untold"),
    at("replay.before_reply", DEAD_LETTERS, "a dead reply is about to be put back to work"),
    at("replay.after_reply", DEAD_LETTERS, "a dead reply is back at work, untold"),
    at("compact.started", COMPACTION, "the copy exists and is empty"),
    at("compact.slice", COMPACTION, "one more slice is copied"),
    at("compact.before_swap", COMPACTION, "the copy is complete and on disk, the old one is live"),
    at("compact.after_swap", COMPACTION, "the copy is live and the old one still open"),
    at("compact.before_cleanup", BACKEND, "the old database is about to be removed"),
    at("drain.begun", "src/engine/drain.rs", "nothing more is admitted"),
    at("stop.before_tree", "src/engine/drain.rs", "the actors are about to be stopped"),
    at("stop.delivery", DELIVERY, "a stopping account has let its last attempt end"),
    at("stop.before_late", ATTEMPT, "an attempt ended after its actor and is not recorded"),
    at("stop.after_late", ATTEMPT, "an attempt that ended after its actor is recorded"),
    at("stop.after_tree", "src/engine/drain.rs", "every actor has stopped and the store is open"),
];
