//! Heartbeats: pauses, hours, time zones, targets, sessions.

use jiff::tz::TimeZone;
use telson_actors::heartbeat::ActiveHours;
use telson_actors::message::SessionKey;

use super::super::finding::Finding;
use super::super::heartbeat::{Heartbeat, pause};
use super::super::path::Path;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;

/// Words for whom a heartbeat tells that name no channel.
const TARGETS: [&str; 3] = ["owner", "last", "none"];
/// Channels there are.
const CHANNELS: [&str; 2] = ["imessage", "webchat"];
/// Words for time zones that name none.
const ZONES: [&str; 2] = ["user", "local"];

pub(super) fn check(config: &Config, checked: &mut Checked) {
    let defaults = Path::of(&["agents", "defaults"]);
    check_one(&config.agents.defaults.heartbeat, &defaults.key("heartbeat"), checked);
    for (id, path, entry) in super::agents::entries(config) {
        if let Some(heartbeat) = &entry.heartbeat {
            let path = path.key("heartbeat");
            check_one(heartbeat, &path, checked);
            check_owner(id, heartbeat, &path, checked);
        }
    }
    if let Some(zone) = &config.agents.defaults.user_timezone {
        check_zone(zone, defaults.key("userTimezone"), "the machine's", &[], checked);
    }
}

fn check_one(heartbeat: &Heartbeat, path: &Path, checked: &mut Checked) {
    if let Some(Err(why)) = heartbeat.every.as_deref().map(pause) {
        checked.problem(Finding::new(path.key("every"), why));
    }
    if let Some(hours) = &heartbeat.active_hours {
        let path = path.key("activeHours");
        for (key, time) in [("start", &hours.start), ("end", &hours.end)] {
            let read = |time: &String| ActiveHours::new(time, "00:00", TimeZone::UTC).err();
            if let Some(why) = time.as_ref().and_then(read) {
                checked.problem(Finding::new(path.key(key), why.to_string()));
            }
        }
        if hours.start.is_some() && hours.start == hours.end {
            let message = "starts and ends at the same time, so the agent never wakes";
            checked.warning(Finding::new(path.clone(), message));
        }
        if let Some(zone) = &hours.timezone {
            check_zone(zone, path.key("timezone"), "agents.defaults.userTimezone", &ZONES, checked);
        }
    }
    if let Some(target) = &heartbeat.target {
        check_target(target, path.key("target"), checked);
    }
    check_session(heartbeat, path, checked);
    let needs_channel = heartbeat.to.is_some() && heartbeat.target.as_deref() == Some("none");
    if needs_channel {
        let message = "has no effect, for the target is none";
        checked.warning(Finding::new(path.key("to"), message));
    }
    if heartbeat.model.as_deref().is_some_and(|model| model.trim().is_empty()) {
        checked.problem(Finding::new(path.key("model"), "names no model"));
    }
}

fn check_session(heartbeat: &Heartbeat, path: &Path, checked: &mut Checked) {
    let Some(session) = heartbeat.session.as_deref().filter(|session| *session != "main") else {
        return;
    };
    if let Err(error) = SessionKey::parse(session) {
        let finding = Finding::new(path.key("session"), error.to_string());
        checked.problem(finding.with_help("or write \"main\""));
    }
}

/// A heartbeat in the session of another agent would be that agent's.
fn check_owner(id: Option<&str>, heartbeat: &Heartbeat, path: &Path, checked: &mut Checked) {
    let session = heartbeat.session.as_deref().and_then(|key| SessionKey::parse(key).ok());
    let owner = session.and_then(|session| session.agent());
    if let Some(owner) = owner.filter(|owner| id.is_some_and(|id| id != owner)) {
        let message = format!("belongs to the agent {owner:?}; name one of this agent's sessions");
        checked.problem(Finding::new(path.key("session"), message));
    }
}

fn check_target(target: &str, path: Path, checked: &mut Checked) {
    let known = || TARGETS.into_iter().chain(CHANNELS);
    if known().any(|known| known == target) {
        return;
    }
    let finding = Finding::new(path, format!("there is no channel {target:?}"));
    match nearest(target, known()) {
        Some(near) => checked.problem(finding.with_help(format!("did you mean {near:?}?"))),
        None if target.trim().is_empty() => checked.problem(finding),
        // Somebody else's channel, as an existing file may have it.
        None => checked.warning(finding.with_help("heartbeats are skipped: nobody would hear")),
    }
}

fn check_zone(zone: &str, path: Path, instead: &str, words: &[&str], checked: &mut Checked) {
    if !words.contains(&zone) && TimeZone::get(zone).is_err() {
        let finding = Finding::new(path, format!("there is no time zone {zone:?}"));
        checked.warning(finding.with_help(format!("{instead} counts")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, warnings};

    #[test]
    fn slips_are_refused_where_they_stand() {
        let found = problems(
            "{agents: {defaults: {heartbeat: {every: 'often', activeHours: {start: '8', end: '25:00'}}},
              list: [{id: 'a', heartbeat: {target: 'onwer', session: 'work', model: ' '}},
              {id: 'b', heartbeat: {session: 'agent:a:main'}}]}}",
        );
        assert_eq!(
            found,
            [
                "agents.defaults.heartbeat.every: \"often\" is no pause; write one such as \"30m\", \"1h30m\" or \"0m\"",
                "agents.defaults.heartbeat.activeHours.start: \"8\" is no time of day; write HH:MM from 00:00 to 24:00",
                "agents.defaults.heartbeat.activeHours.end: \"25:00\" is no time of day; write HH:MM from 00:00 to 24:00",
                "agents.list[0].heartbeat.target: there is no channel \"onwer\"",
                "agents.list[0].heartbeat.session: failed to read \"work\" as a session key; expected `global` or `agent:<agent>:<conversation>`",
                "agents.list[0].heartbeat.model: names no model",
                "agents.list[1].heartbeat.session: belongs to the agent \"a\"; name one of this agent's sessions",
            ]
        );
    }

    #[test]
    fn what_is_only_odd_is_remarked_on() {
        let found = warnings(
            "{agents: {defaults: {userTimezone: 'Mars/Olympus', heartbeat: {target: 'whatsapp',
              activeHours: {start: '08:00', end: '08:00', timezone: 'Nowhere'}}},
              entries: {a: {heartbeat: {target: 'none', to: '+1', session: 'main'}}}}}",
        );
        assert_eq!(
            found,
            [
                "agents.defaults.heartbeat.activeHours: starts and ends at the same time, so the agent never wakes",
                "agents.defaults.heartbeat.activeHours.timezone: there is no time zone \"Nowhere\"",
                "agents.defaults.heartbeat.target: there is no channel \"whatsapp\"",
                "agents.entries.a.heartbeat.to: has no effect, for the target is none",
                "agents.defaults.userTimezone: there is no time zone \"Mars/Olympus\"",
            ]
        );
    }
}
