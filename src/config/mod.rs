//! The config file: reading, checking, and saying precisely what is wrong with it.
//!
//! ```text
//! text --depth--> JSON5 --include--> known keys out --env--> typed --secrets--> rules --> Config
//! ```
//!
//! Every step works on values that remember their place, so a problem found at the end still
//! names the file, line and column where it was written.

use std::path::{Path, PathBuf};

mod access_groups;
mod agents;
mod auth;
mod bindings;
pub(crate) mod change;
mod channels;
mod commands;
mod context;
mod cron;
mod depth;
mod env;
mod error;
mod fault;
mod finding;
mod gateway;
mod gateway_nodes;
mod gateway_tls;
mod heartbeat;
mod hooks;
mod imessage;
mod include;
mod known;
mod logging;
mod mcp;
mod messages;
mod models;
mod node;
mod path;
mod platform_id;
mod position;
mod reader;
mod repeated;
mod root;
mod rules;
mod schema;
mod secret;
mod secrets;
mod session;
mod suggest;
mod syntax;
mod tools;
mod typing;
mod usage;
mod variables;
mod warning;
mod webhooks;

pub use access_groups::{AccessGroup, AccessGroupKind};
pub use agents::{
    AgentDefaults, AgentEntry, AgentGroupChat, Agents, Identity, MemorySearch, ModelChoice,
    ModelPolicy, NamedModel,
};
pub use auth::{Auth, AuthCooldowns, AuthMode, AuthProfile};
pub use bindings::{
    Binding, BindingKind, BindingMatch, BindingSession, Broadcast, BroadcastStrategy, PeerKind,
    PeerMatch,
};
pub use channels::{ChannelDefaults, Channels, DmPolicy, GroupPolicy};
pub use commands::Commands;
pub use context::{Compaction, IdentifierPolicy};
pub use cron::{AlertMode, Cron, FailureAlert, Retention};
pub use env::Lookup;
pub use error::{ConfigError, Problem};
pub use gateway::{
    ControlUi, Endpoint, Endpoints, Gateway, GatewayAuth, GatewayAuthMode, GatewayBind,
    GatewayHttp, GatewayMode, GatewayTailscale, Images, RateLimit, TailscaleMode, TrustedProxy,
};
pub use gateway_nodes::{GatewayNodes, NodeCommands, NodePairing, SshRules, SshVerify};
pub use gateway_tls::GatewayTls;
pub(crate) use heartbeat::pause;
pub use heartbeat::{ActiveHours, DirectPolicy, Heartbeat, HeartbeatVisibility};
pub use hooks::{GmailPush, HookCommand, Hooks};
pub use imessage::{
    ChunkMode, Imessage, ImessageAccount, ImessageGroup, ImessageService, UnsettledSends,
};
pub use logging::{LogLevel, Logging};
pub use mcp::{Mcp, McpEntry, McpToolFilter, McpTransport};
pub use messages::{GroupChat, Messages, Queue, QueueDrop, QueueMode};
pub use models::{Model, ModelInput, Models, Provider, ProviderApi};
pub use platform_id::PlatformId;
pub use root::Config;
pub use schema::schema;
pub use secret::Secret;
pub use secrets::{FileMode, PlaceKind, SecretPlace, Secrets};
pub use session::{DmScope, GroupScope, Session, SessionScope};
pub use tools::{
    AgentToAgent, AgentTools, CrossContext, ExecAsk, ExecHost, ExecPolicy, ExecSecurity, ExecTool,
    FileTools, MessageTool, SessionTools, SessionVisibility, SsrfRules, ToolProfile, Tools,
    WebFetch, WebTools,
};
pub use usage::{Budget, Budgets, Dollars, ModelCost, Usage};
pub use variables::Variables;
pub use webhooks::{HookAction, HookMapping, HookMatch, HookPreset, WakeMode};

use include::Document;

/// A config that can be used.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What deserves a person's attention and stops nothing, in the form of an error's blocks.
    pub warnings: Vec<String>,
    /// The file it came from; `None` for the defaults of a file that is not there.
    pub from_file: Option<PathBuf>,
    /// Every file read, by its real path: the config file and those it includes.
    pub files: Vec<PathBuf>,
}

/// Loads a config file; a file that is not there means defaults.
///
/// `env` answers what an environment variable holds.
pub fn load(path: &Path, env: &Lookup<'_>) -> Result<Loaded, ConfigError> {
    match include::read(path)? {
        None => Ok(Loaded::default()),
        Some(document) => {
            let loaded = finish(document, env)?;
            Ok(Loaded { from_file: Some(path.to_path_buf()), ..loaded })
        }
    }
}

/// Reads a config from memory; `label` stands for the file in messages.
pub fn parse(text: &str, label: &str, env: &Lookup<'_>) -> Result<Loaded, ConfigError> {
    finish(include::from_text(text, label)?, env)
}

fn finish(document: Document, env: &Lookup<'_>) -> Result<Loaded, ConfigError> {
    let Document { root: original, sources, files } = document;
    let refuse = |findings| ConfigError { problems: sources.locate_all(&original, findings) };
    let mut root = original.clone();
    let unused = known::strip(&mut root);
    let variables = Variables::of(&root);
    let lookup = |name: &str| variables.lookup(env, name);
    let missing = env::substitute(&mut root, &lookup);
    let mut config = typing::read(root).map_err(refuse)?;
    let unset = config.resolve_secrets(&lookup, &missing);
    let checked = rules::check(&config);
    if !checked.problems.is_empty() {
        return Err(refuse(checked.problems));
    }
    let remarks = warning::remarks(&missing, unset, checked.warnings);
    let warnings =
        warning::lines(&original, &sources, &unused, config.broadcast.is_some(), remarks);
    Ok(Loaded { config, warnings, from_file: None, files })
}
