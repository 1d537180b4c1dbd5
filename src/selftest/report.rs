//! What came of a sweep: figures, and a verdict in words.
//!
//! Pure: findings in, report out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::deeds::Deeds;
use super::world::Unsettled;
use crate::demo::audit::{Audit, Finding};

/// Findings that are named in a report; the folder has the rest.
const NAMED_MAX: usize = 20;

/// The sweep as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Kills.
    pub kills: u32,
    /// What decided about them.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
}

/// What one world has been through, and what its own record says.
#[derive(Debug)]
pub struct WorldReport {
    /// Its channel.
    pub channel: &'static str,
    /// The setting of its service.
    pub unsettled: Unsettled,
    /// Messages written, and jobs made.
    pub written: u32,
    /// Jobs among them.
    pub jobs: u32,
    /// How often each crash point was died at.
    pub hits: BTreeMap<&'static str, u32>,
    /// Crash points waited for in vain.
    pub missed: Vec<&'static str>,
    /// From the start of a process to its first answer.
    pub recoveries: Vec<Duration>,
    /// Answers that were dead letters for a while.
    pub parked: usize,
    /// Dead letters that were messages.
    pub dead_messages: usize,
    /// Dead letters that were replies.
    pub dead_replies: usize,
    /// What went out.
    pub audit: Audit,
    /// What its tools have done.
    pub deeds: Deeds,
}

/// The report. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether every promise was kept.
    pub ok: bool,
    /// The same in words.
    pub verdict: String,
    /// Kills, by SIGKILL.
    pub kills: u32,
    /// Messages written, and jobs made: each is to be answered once.
    pub messages: u32,
    /// Jobs among them, whose answers are announced.
    pub jobs: u32,
    /// How many of them were answered.
    pub answered: usize,
    /// Answers that were shown as dead letters, put back to work, and are counted as answered.
    pub parked: usize,
    /// Messages without an answer.
    pub lost: usize,
    /// Messages answered more than once.
    pub doubled: usize,
    /// Answers behind later ones of their chat.
    pub reordered: usize,
    /// Tool calls that took effect, each counted by what it wrote.
    pub tool_calls: usize,
    /// Tool calls that took effect more than once.
    pub tool_calls_doubled: usize,
    /// What was wrong, by name.
    pub findings: Vec<String>,
    /// From the start of a killed service's successor to its first answer.
    pub recovery_ms: Percentiles,
    /// To append 256 bytes and wait until they are on disk.
    pub fsync_ms: Percentiles,
    /// The named crash points.
    pub crash_points: CrashPoints,
    /// Repeats the plan of this sweep.
    pub seed: u64,
    /// How long the sweep took.
    pub seconds: f64,
}

/// The named crash points of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrashPoints {
    /// Whether this build has them.
    pub compiled_in: bool,
    /// How often the service died at each.
    pub hit: BTreeMap<&'static str, u32>,
    /// Those it did not die at in this sweep.
    pub not_hit: Vec<&'static str>,
    /// How often one was waited for in vain, and the service killed from outside.
    pub missed: usize,
}

/// A distribution, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// How many were measured.
    pub samples: usize,
}

impl Percentiles {
    /// Of these.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
            times.get(rank).copied().map_or(0.0, millis)
        };
        Self { p50: at(50), p99: at(99), max: at(100), samples: times.len() }
    }
}

/// To a hundredth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

impl Report {
    /// Adds the worlds up.
    pub fn new(sweep: &Sweep, points: &[&'static str], worlds: Vec<WorldReport>) -> Self {
        let count = |of: fn(&Audit) -> usize| worlds.iter().map(|world| of(&world.audit)).sum();
        let (lost, doubled) = (count(|audit| audit.lost.len()), count(|a| a.doubled.len()));
        let reordered = count(|audit| audit.reordered.len());
        let mut findings: Vec<String> = worlds.iter().flat_map(named).collect();
        let ok = findings.is_empty();
        findings.truncate(NAMED_MAX);
        let mut hit = BTreeMap::new();
        for (point, times) in worlds.iter().flat_map(|world| &world.hits) {
            *hit.entry(*point).or_default() += times;
        }
        Self {
            ok,
            verdict: verdict(ok, lost, doubled, reordered),
            kills: sweep.kills,
            messages: worlds.iter().map(|world| world.written).sum(),
            jobs: worlds.iter().map(|world| world.jobs).sum(),
            answered: count(|audit| audit.answered),
            parked: worlds.iter().map(|world| world.parked).sum(),
            lost,
            doubled,
            reordered,
            tool_calls: worlds.iter().map(|world| world.deeds.done).sum(),
            tool_calls_doubled: worlds.iter().map(|world| world.deeds.doubled.len()).sum(),
            findings,
            recovery_ms: Percentiles::of(
                worlds.iter().flat_map(|world| world.recoveries.clone()).collect(),
            ),
            fsync_ms: Percentiles::default(),
            crash_points: CrashPoints {
                compiled_in: !points.is_empty(),
                not_hit: points.iter().filter(|name| !hit.contains_key(*name)).copied().collect(),
                missed: worlds.iter().map(|world| world.missed.len()).sum(),
                hit,
            },
            seed: sweep.seed,
            seconds: (sweep.took.as_secs_f64() * 10.0).round() / 10.0,
        }
    }
}

fn verdict(ok: bool, lost: usize, doubled: usize, reordered: usize) -> String {
    if ok {
        return "every message was answered exactly once and in order".into();
    }
    format!("a promise was BROKEN: {lost} lost, {doubled} doubled, {reordered} out of order")
}

/// Everything a world shows that must not be.
fn named(world: &WorldReport) -> Vec<String> {
    let audit = &world.audit;
    let say = |what: &str, found: &Finding| {
        format!(
            "{what}: {} in {} ({} went out, {} failed)",
            found.needle, found.chat_guid, found.delivered, found.failed
        )
    };
    let mut named: Vec<String> = audit.lost.iter().map(|found| say("lost", found)).collect();
    named.extend(audit.doubled.iter().map(|found| say("doubled", found)));
    named.extend(audit.reordered.iter().map(|found| say("out of order", found)));
    let deeds = &world.deeds;
    named.extend(deeds.doubled.iter().map(|mark| format!("a tool call was made twice: {mark}")));
    named.extend(deeds.undone.iter().map(|mark| format!("a tool call was not made: {mark}")));
    if audit.unasked > world.dead_messages {
        named.push(format!(
            "{} messages went out that answer nothing, and only {} notices were due",
            audit.unasked, world.dead_messages
        ));
    }
    if world.unsettled == Unsettled::Resend && world.dead_replies > 0 {
        named.push(format!(
            "{} replies became dead letters, although sends in doubt are to be sent again",
            world.dead_replies
        ));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(needle: &str) -> Finding {
        Finding { chat_guid: "c".into(), needle: needle.into(), delivered: 0, failed: 0 }
    }

    fn world(audit: Audit) -> WorldReport {
        WorldReport {
            channel: "imessage",
            unsettled: Unsettled::Resend,
            written: 3,
            jobs: 1,
            hits: BTreeMap::from([("a.b", 2)]),
            missed: Vec::new(),
            recoveries: (1..=200).map(Duration::from_millis).collect(),
            parked: 0,
            dead_messages: 0,
            dead_replies: 0,
            audit,
            deeds: Deeds { done: 2, ..Deeds::default() },
        }
    }

    fn report(worlds: Vec<WorldReport>) -> Report {
        let sweep = Sweep { kills: 4, seed: 1, took: Duration::from_millis(1234) };
        Report::new(&sweep, &["a.b", "c.d"], worlds)
    }

    #[test]
    fn what_is_fine_is_called_fine() {
        let audit = Audit { sent: 3, answered: 3, ..Audit::default() };
        let report = report(vec![world(audit.clone()), world(audit)]);
        assert!(report.ok, "{report:?}");
        assert_eq!((report.messages, report.answered, report.lost), (6, 6, 0));
        assert_eq!(report.jobs, 2);
        assert_eq!((report.tool_calls, report.tool_calls_doubled), (4, 0));
        assert_eq!(report.crash_points.hit, BTreeMap::from([("a.b", 4)]));
        assert_eq!(report.crash_points.not_hit, ["c.d"]);
        let recovery = report.recovery_ms;
        assert_eq!((recovery.p50, recovery.p99, recovery.max), (100.0, 198.0, 200.0));
        assert!((report.seconds - 1.2).abs() < f64::EPSILON);
    }

    #[test]
    fn each_broken_promise_is_named_and_counted() {
        let fine = || world(Audit { sent: 3, answered: 3, ..Audit::default() });
        let with = |change: fn(&mut WorldReport)| {
            let mut broken = fine();
            change(&mut broken);
            let report = report(vec![fine(), broken]);
            assert!(!report.ok && report.verdict.contains("BROKEN"), "{report:?}");
            (report.lost, report.doubled, report.reordered, report.findings.join("\n"))
        };
        let (lost, .., named) = with(|world| world.audit.lost.push(finding("[#1]")));
        assert!(lost == 1 && named.contains("lost: [#1]"), "{named}");
        let (_, doubled, _, named) = with(|world| world.audit.doubled.push(finding("[#2]")));
        assert!(doubled == 1 && named.contains("doubled: [#2]"), "{named}");
        let (.., reordered, named) = with(|world| world.audit.reordered.push(finding("[#3]")));
        assert!(reordered == 1 && named.contains("out of order: [#3]"), "{named}");
        let (.., named) = with(|world| world.deeds.doubled.push("[#4]".into()));
        assert!(named.contains("made twice: [#4]"), "{named}");
        let (.., named) = with(|world| world.deeds.undone.push("[#8]".into()));
        assert!(named.contains("not made: [#8]"), "{named}");
        let (.., named) = with(|world| world.audit.unasked = 1);
        assert!(named.contains("answer nothing"), "{named}");
        let (.., named) = with(|world| world.dead_replies = 1);
        assert!(named.contains("became dead letters"), "{named}");
    }

    #[test]
    fn nothing_measured_is_no_time() {
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
        let one = Percentiles::of(vec![Duration::from_micros(1500)]);
        assert_eq!((one.p50, one.p99, one.max, one.samples), (1.5, 1.5, 1.5, 1));
    }
}
