//! Heartbeats, from the config.

use std::time::Duration;

use jiff::tz::TimeZone;
use telson_actors::heartbeat::{ActiveHours, Beat, Target, VisibilityBook, VisibilityRules};
use telson_actors::message::{AccountKey, Destination};

use super::Assembly;
use super::agents::split_model;
use crate::config::{self, Config, DirectPolicy, Heartbeat, HeartbeatVisibility};

pub(super) fn add(assembly: &mut Assembly, config: &Config) {
    let zone = user_zone(config);
    let (visibility, owners) = (visibility(config), owners(config));
    let beats: Vec<(String, Beat)> = settings(config)
        .into_iter()
        .map(|(id, heartbeat)| (id, beat(config, &heartbeat, &zone)))
        .collect();
    assembly.build(|builder| {
        let builder = builder.heartbeats(|rules| {
            (rules.visibility, rules.owners, rules.zone) = (visibility, owners, zone);
        });
        beats.into_iter().fold(builder, |builder, (id, beat)| builder.heartbeat(&id, beat))
    });
}

/// The providers of models that heartbeats ask.
pub(super) fn models(config: &Config) -> impl Iterator<Item = String> {
    let models = settings(config).into_iter().filter_map(|(_, heartbeat)| heartbeat.model);
    models.map(|model| config.model_named(&model).to_owned())
}

/// Whose heart beats: of those agents that say so, else of the default agent.
fn settings(config: &Config) -> Vec<(String, Heartbeat)> {
    let shared = &config.agents.defaults.heartbeat;
    let agents = config.agents_map();
    let own = agents.iter().filter_map(|(id, agent)| Some((id, agent.heartbeat.as_ref()?)));
    let own: Vec<_> = own.map(|(id, own)| (id.clone(), own.clone().or(shared))).collect();
    if own.is_empty() {
        return config.default_agent().map(|id| (id, shared.clone())).into_iter().collect();
    }
    own
}

fn beat(config: &Config, heartbeat: &Heartbeat, zone: &TimeZone) -> Beat {
    let standard = Beat::default();
    // The checks of the config have read all of it before.
    let every = heartbeat.every.as_deref().and_then(|every| config::pause(every).ok());
    let model = heartbeat.model.as_deref().map(|model| config.model_named(model));
    let model = model.map(split_model);
    let session = heartbeat.session.clone().filter(|session| session != "main");
    Beat {
        every: every.unwrap_or(Duration::from_mins(30)),
        hours: heartbeat.active_hours.as_ref().and_then(|hours| self::hours(hours, zone)),
        target: match heartbeat.target.as_deref() {
            None | Some("owner") => Target::Owner,
            Some("last") => Target::Last,
            Some("none") => Target::Nobody,
            Some(channel) => Target::Channel(channel.to_owned()),
        },
        to: heartbeat.to.clone(),
        account: heartbeat.account_id.clone(),
        session,
        prompt: heartbeat.prompt.clone().filter(|prompt| !prompt.trim().is_empty()),
        ok_chars: heartbeat
            .ack_max_chars
            .map_or(standard.ok_chars, |chars| usize::try_from(chars).unwrap_or(usize::MAX)),
        allows_direct: heartbeat.direct_policy != Some(DirectPolicy::Block),
        is_light: heartbeat.light_context.unwrap_or_default(),
        is_isolated: heartbeat.isolated_session.unwrap_or_default(),
        model: model.map(|(provider, name)| telson_actors::model::ModelRef::new(provider, name)),
    }
}

fn hours(hours: &config::ActiveHours, user: &TimeZone) -> Option<ActiveHours> {
    let zone = match hours.timezone.as_deref() {
        None | Some("user") => user.clone(),
        Some("local") => TimeZone::system(),
        // One that is not there was remarked on.
        Some(name) => TimeZone::get(name).unwrap_or_else(|_| user.clone()),
    };
    let start = hours.start.as_deref().unwrap_or("00:00");
    let end = hours.end.as_deref().unwrap_or("24:00");
    ActiveHours::new(start, end, zone).ok()
}

fn user_zone(config: &Config) -> TimeZone {
    let named = config.agents.defaults.user_timezone.as_deref();
    named.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

fn visibility(config: &Config) -> VisibilityBook {
    let rules = |new: Option<&HeartbeatVisibility>, old: Option<&HeartbeatVisibility>| {
        let first = |get: fn(&HeartbeatVisibility) -> Option<bool>| {
            new.and_then(get).or_else(|| old.and_then(get))
        };
        VisibilityRules {
            ok: first(|rules| rules.show_ok),
            alerts: first(|rules| rules.show_alerts),
            indicator: first(|rules| rules.use_indicator),
        }
    };
    let defaults = &config.channels.defaults;
    let mut book = VisibilityBook {
        defaults: rules(defaults.heartbeat_visibility.as_ref(), defaults.heartbeat.as_ref()),
        ..VisibilityBook::default()
    };
    if let Some(imessage) = &config.channels.imessage {
        let of = |place: &config::Imessage| {
            rules(place.heartbeat_visibility.as_ref(), place.heartbeat.as_ref())
        };
        book.channels.insert("imessage".into(), of(imessage));
        book.accounts = imessage
            .accounts
            .iter()
            .map(|(id, account)| (AccountKey::new("imessage", id), of(account)))
            .collect();
    }
    book
}

/// The people that accounts let in by name: those of the default account first.
fn owners(config: &Config) -> Vec<Destination> {
    let default = config.imessage_default_account().map(str::to_owned);
    let mut accounts: Vec<_> = config.imessage_accounts().into_iter().collect();
    accounts.sort_by_key(|(id, _)| Some(id) != default.as_ref());
    let mut owners = Vec::new();
    for (id, account) in accounts.into_iter().filter(|(_, account)| account.enabled) {
        let people = account.allow_from.iter().map(config::PlatformId::as_str).map(str::trim);
        let people = people.filter(|person| *person != "*" && !person.starts_with("accessGroup:"));
        owners.extend(people.map(|person| Destination {
            account: AccountKey::new("imessage", &id),
            target: person.strip_prefix("imessage:").unwrap_or(person).to_owned(),
            thread: None,
        }));
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        crate::config::parse(text, "c.json", &|_| None).map(|loaded| loaded.config).unwrap()
    }

    #[test]
    fn only_agents_that_say_so_wake_if_any_does() {
        let ids = |text: &str| -> Vec<String> {
            settings(&config(text)).into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(ids("{}"), ["main"]);
        assert_eq!(ids("{agents: {entries: {a: {}, b: {default: true}}}}"), ["b"]);
        assert_eq!(ids("{agents: {entries: {a: {heartbeat: {}}, b: {default: true}}}}"), ["a"]);
    }

    #[test]
    fn an_agent_takes_over_what_it_does_not_say() {
        let config = config(
            "{agents: {defaults: {userTimezone: 'Asia/Kathmandu', heartbeat: {every: '10m', target: 'last',
              activeHours: {start: '09:00', end: '10:00', timezone: 'Nowhere'}}},
              entries: {a: {heartbeat: {every: '0m', ackMaxChars: 5, directPolicy: 'block',
              model: 'openai/x/y'}}}}}",
        );
        let zone = user_zone(&config);
        let [(_, heartbeat)] = &settings(&config)[..] else { panic!("one agent") };
        let beat = beat(&config, heartbeat, &zone);
        let nepal = TimeZone::get("Asia/Kathmandu").unwrap();
        assert_eq!(beat.every, Duration::ZERO);
        assert_eq!(beat.target, Target::Last);
        assert_eq!(beat.hours, ActiveHours::new("09:00", "10:00", nepal).ok());
        assert_eq!((beat.ok_chars, beat.allows_direct), (5, false));
        assert_eq!(models(&config).collect::<Vec<_>>(), ["openai/x/y"]);
    }

    #[test]
    fn the_older_key_counts_where_the_newer_is_silent() {
        let config = config(
            "{channels: {defaults: {heartbeat: {showOk: true}}, imessage: {dbPath: '/x',
              heartbeatVisibility: {showAlerts: false}, heartbeat: {showAlerts: true, showOk: false},
              accounts: {a: {heartbeat: {useIndicator: false}}, b: {}}}}}",
        );
        let book = visibility(&config);
        let a = book.of(Some(&AccountKey::new("imessage", "a")));
        assert_eq!((a.ok, a.alerts, a.indicator), (false, false, false));
        let b = book.of(Some(&AccountKey::new("imessage", "b")));
        assert_eq!((b.ok, b.alerts, b.indicator), (false, false, true));
        assert!(book.of(None).ok);
    }

    #[test]
    fn owners_are_people_let_in_by_name() {
        let config = config(
            "{accessGroups: {g: {type: 'message.senders', members: {}}}, channels: {imessage: {
              dbPath: '/x', defaultAccount: 'b', accounts: {a: {allowFrom: ['+1']},
              b: {allowFrom: ['*', 'accessGroup:g', 'imessage:anna@example.org', '+2'], dmPolicy: 'open'}}}}}",
        );
        let owners: Vec<String> = owners(&config).iter().map(ToString::to_string).collect();
        assert_eq!(owners, ["imessage/b:anna@example.org", "imessage/b:+2", "imessage/a:+1"]);
    }
}
