//! From a config to an engine: every setting that is acted on is turned into a plain value here.
//!
//! Pure but for the environment, which comes in as a function. What a config says and nothing acts
//! on yet is reported, never dropped in silence.

mod access;
mod agents;
mod channels;
mod context;
mod cron;
mod heartbeat;
mod hooks;
mod mcp;
mod media;
mod profiles;
mod providers;
mod tools;
mod unused;

pub(crate) use channels::expand;
use telson_actors::message::session_key::DmScope;
use telson_actors::router::{GroupScope, SessionScope};
use telson_actors::session::lane::{DropPolicy, LaneSettings, Mode};
pub(crate) use tools::fetch as web_fetch;

use crate::config::{self, Config, Lookup};
use crate::engine::{Builder, Engine};

/// What came of a config.
pub struct Assembly {
    /// The engine, without a place for its memory.
    pub builder: Builder,
    /// What is enabled, and what is not, as sentences for people.
    pub notes: Vec<String>,
    /// What deserves attention.
    pub warnings: Vec<String>,
}

/// Turns a config into an engine that can be started.
///
/// # Errors
/// A sentence that names the setting and what to do.
pub fn assemble(config: &Config, env: &Lookup<'_>) -> Result<Assembly, String> {
    let mut assembly =
        Assembly { builder: Engine::builder(), notes: Vec::new(), warnings: unused::list(config) };
    providers::add(&mut assembly, config, env)?;
    agents::add(&mut assembly, config, env);
    mcp::add(&mut assembly, config, env);
    tools::add(&mut assembly, config, env);
    context::add(&mut assembly, config, env);
    add_session_rules(&mut assembly, config);
    add_lanes(&mut assembly, config);
    access::add_groups_and_bindings(&mut assembly, config);
    channels::add(&mut assembly, config, env)?;
    hooks::add(&mut assembly, config, env);
    cron::add(&mut assembly, config, env)?;
    heartbeat::add(&mut assembly, config);
    Ok(assembly)
}

impl Assembly {
    /// Applies a change to the builder.
    fn build(&mut self, change: impl FnOnce(Builder) -> Builder) {
        self.builder = change(std::mem::take(&mut self.builder));
    }
}

fn add_session_rules(assembly: &mut Assembly, config: &Config) {
    let session = &config.session;
    assembly.build(|builder| {
        builder.rules(|rules| {
            rules.session.scope = match session.scope {
                config::SessionScope::PerSender => SessionScope::PerSender,
                config::SessionScope::Global => SessionScope::Global,
            };
            rules.session.dm_scope = dm_scope(session.dm_scope);
            rules.session.group_scope = group_scope(session.group_scope);
            rules.session.main_key.clone_from(&session.main_key);
            rules.session.identity_links.clone_from(&session.identity_links);
        })
    });
}

fn dm_scope(scope: config::DmScope) -> DmScope {
    match scope {
        config::DmScope::Main => DmScope::Main,
        config::DmScope::PerPeer => DmScope::PerPeer,
        config::DmScope::PerChannelPeer => DmScope::PerChannelPeer,
        config::DmScope::PerAccountChannelPeer => DmScope::PerAccountChannelPeer,
    }
}

fn group_scope(scope: config::GroupScope) -> GroupScope {
    match scope {
        config::GroupScope::PerGroup => GroupScope::PerGroup,
        config::GroupScope::Main => GroupScope::Main,
    }
}

/// One setting for all channels, and one for each channel that differs.
fn add_lanes(assembly: &mut Assembly, config: &Config) {
    let queue = &config.messages.queue;
    let settings = |channel: &str| {
        let mut lane = LaneSettings {
            mode: mode(queue.by_channel.get(channel).copied().unwrap_or(queue.mode)),
            cap: usize::try_from(queue.cap).unwrap_or(usize::MAX),
            drop: match queue.drop {
                config::QueueDrop::Summarize => DropPolicy::Summarize,
                config::QueueDrop::Old => DropPolicy::Old,
                config::QueueDrop::New => DropPolicy::New,
            },
            ..LaneSettings::default()
        };
        let of_channel = queue.debounce_ms_by_channel.get(channel);
        if let Some(millis) = of_channel.or(queue.debounce_ms.as_ref()) {
            lane.quiet = std::time::Duration::from_millis(*millis);
        }
        lane
    };
    let channels = queue.by_channel.keys().chain(queue.debounce_ms_by_channel.keys());
    for channel in channels.map(String::as_str).chain([""]) {
        let lane = settings(channel);
        assembly.build(|builder| builder.lane(channel, lane));
    }
}

fn mode(mode: config::QueueMode) -> Mode {
    match mode {
        config::QueueMode::Collect => Mode::Collect,
        config::QueueMode::Followup => Mode::Followup,
        config::QueueMode::Steer => Mode::Steer,
        config::QueueMode::Interrupt => Mode::Interrupt,
    }
}
