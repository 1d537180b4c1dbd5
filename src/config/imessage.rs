//! `channels.imessage`: its accounts and who may speak to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::channels::{DmPolicy, GroupPolicy};
use super::heartbeat::HeartbeatVisibility;
use super::platform_id::PlatformId;

/// The account there is when none is configured.
const DEFAULT_ACCOUNT: &str = "default";

/// The settings of the channel. Accounts take them over where they say nothing themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Imessage {
    /// The name people see. Default: the account's id.
    pub name: Option<String>,
    /// Whether to serve it. Default: true.
    pub enabled: Option<bool>,
    /// The `imsg` program, or a script that runs it on another Mac. Default: `imsg`.
    pub cli_path: Option<String>,
    /// The Messages database, on the Mac that runs Messages. Default: that user's own.
    pub db_path: Option<String>,
    /// Who may speak to the agent directly. Default: pairing.
    pub dm_policy: Option<DmPolicy>,
    /// The people who may: phone numbers as `+15550001`, e-mail addresses, `accessGroup:<name>`,
    /// or `*` for everybody. Default: nobody.
    pub allow_from: Option<Vec<PlatformId>>,
    /// Who may speak to the agent in groups. Default: `channels.defaults.groupPolicy`.
    pub group_policy: Option<GroupPolicy>,
    /// The people and chats that may, in groups; an empty list means nobody.
    /// Default: `allowFrom`.
    pub group_allow_from: Option<Vec<PlatformId>>,
    /// The groups by chat id, `*` for all others; if any is listed, unlisted ones are ignored.
    /// An account's groups replace these. Default: none.
    pub groups: Option<BTreeMap<String, ImessageGroup>>,
    /// Whether models that see pictures or documents are shown those people send. Default: false.
    pub include_attachments: Option<bool>,
    /// Longest single message sent, in characters, at least 1. Default: 4000.
    pub text_chunk_limit: Option<u32>,
    /// Where an answer is cut into messages. Default: length.
    pub chunk_mode: Option<ChunkMode>,
    /// Whether what the agent says between its tool calls is sent as well. Default: false.
    pub block_streaming: Option<bool>,
    /// The service to send through. Default: auto.
    pub service: Option<ImessageService>,
    /// The country whose rules phone numbers without a country code follow. Default: US.
    pub region: Option<String>,
    /// Put before every reply; empty for nothing. Default: `messages.responsePrefix`.
    pub response_prefix: Option<String>,
    /// What to do with a message of which, after a crash, it stays unknown whether it was sent.
    /// Default: park.
    pub unsettled_sends: Option<UnsettledSends>,
    /// How long evidence of a send in doubt is looked for, in seconds. Default: 300, because
    /// stalled sends have completed minutes later.
    pub unsettled_after_seconds: Option<u64>,
    /// What is shown of heartbeats. Default, for each setting: `channels.defaults`.
    pub heartbeat_visibility: Option<HeartbeatVisibility>,
    /// The older name of `heartbeatVisibility`.
    pub heartbeat: Option<HeartbeatVisibility>,
    /// The accounts by id, each overriding the settings beside this one.
    /// Default: one account called `default`. An account cannot have accounts.
    pub accounts: BTreeMap<String, Imessage>,
    /// The account meant where none is named. Default: `default`, else the first by name.
    pub default_account: Option<String>,
}

/// The settings of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ImessageGroup {
    /// Whether only messages that mention the agent are answered. Default: true.
    pub require_mention: Option<bool>,
    /// Whether the group is served. Default: true.
    pub enabled: Option<bool>,
    /// Who may speak to the agent in this group. Default: the account's `groupPolicy`.
    pub group_policy: Option<GroupPolicy>,
    /// The people who may, in this group. Default: the account's `groupAllowFrom`.
    pub allow_from: Option<Vec<PlatformId>>,
    /// Instructions for this group; empty for none. Default: those of `*`.
    pub system_prompt: Option<String>,
}

/// Where an answer is cut into messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChunkMode {
    /// Only where it is too long for one.
    #[default]
    Length,
    /// At every blank line outside a code fence, and where that is still too long.
    Newline,
}

/// The service a message is sent through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImessageService {
    /// Whichever reaches the person.
    #[default]
    Auto,
    /// iMessage only.
    Imessage,
    /// SMS only.
    Sms,
}

/// What to do with a message of which it stays unknown whether it was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UnsettledSends {
    /// Keep it and tell a person: it may be missing, it is never doubled.
    #[default]
    Park,
    /// Send it again: it may be doubled, it is never missing.
    Resend,
}

/// One account with every setting decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImessageAccount {
    /// The name people see.
    pub name: String,
    /// Whether to serve it.
    pub enabled: bool,
    /// The `imsg` program.
    pub cli_path: String,
    /// The Messages database; `None` for the user's own.
    pub db_path: Option<String>,
    /// Who may speak to the agent directly.
    pub dm_policy: DmPolicy,
    /// The people who may.
    pub allow_from: Vec<PlatformId>,
    /// Who may speak to the agent in groups.
    pub group_policy: GroupPolicy,
    /// The people and chats that may in groups: `allow_from` where nothing was written.
    pub group_allow_from: Vec<PlatformId>,
    /// The groups by chat id.
    pub groups: BTreeMap<String, ImessageGroup>,
    /// Whether attachments are read.
    pub include_attachments: bool,
    /// Longest single message sent, in characters.
    pub text_chunk_limit: u32,
    /// Where an answer is cut into messages.
    pub chunk_mode: ChunkMode,
    /// Whether what the agent says between its tool calls is sent as well.
    pub block_streaming: bool,
    /// The service to send through.
    pub service: ImessageService,
    /// The country of phone numbers without a country code.
    pub region: String,
    /// Put before every reply; `None` where nothing was written, which is not the same as empty.
    pub response_prefix: Option<String>,
    /// What to do with sends that stay in doubt.
    pub unsettled_sends: UnsettledSends,
    /// How long evidence of a send in doubt is looked for, in seconds.
    pub unsettled_after_seconds: u64,
}

impl Imessage {
    /// Every account with its own settings laid on the channel's.
    pub(super) fn accounts(&self, fallback: GroupPolicy) -> BTreeMap<String, ImessageAccount> {
        if self.accounts.is_empty() {
            let sole = self.account(DEFAULT_ACCOUNT, self, fallback);
            return BTreeMap::from([(DEFAULT_ACCOUNT.to_owned(), sole)]);
        }
        let decided = |(id, over): (&String, &Self)| (id.clone(), self.account(id, over, fallback));
        self.accounts.iter().map(decided).collect()
    }

    /// The account meant where none is named.
    pub(super) fn default_account(&self) -> &str {
        let first = self.accounts.keys().next();
        match (&self.default_account, first) {
            (Some(named), _) => named,
            (None, Some(first)) if !self.accounts.contains_key(DEFAULT_ACCOUNT) => first,
            _ => DEFAULT_ACCOUNT,
        }
    }

    fn account(&self, id: &str, over: &Self, fallback: GroupPolicy) -> ImessageAccount {
        let allow_from =
            pick(over.allow_from.as_ref(), self.allow_from.as_ref()).unwrap_or_default();
        ImessageAccount {
            name: over.name.clone().unwrap_or_else(|| id.to_owned()),
            // Turning the channel off turns off every account, whatever it says.
            enabled: self.enabled != Some(false) && over.enabled != Some(false),
            cli_path: pick(over.cli_path.as_ref(), self.cli_path.as_ref())
                .unwrap_or_else(|| "imsg".to_owned()),
            db_path: pick(over.db_path.as_ref(), self.db_path.as_ref()),
            dm_policy: pick(over.dm_policy.as_ref(), self.dm_policy.as_ref()).unwrap_or_default(),
            group_policy: pick(over.group_policy.as_ref(), self.group_policy.as_ref())
                .unwrap_or(fallback),
            group_allow_from: pick(over.group_allow_from.as_ref(), self.group_allow_from.as_ref())
                .unwrap_or_else(|| allow_from.clone()),
            allow_from,
            groups: pick(over.groups.as_ref(), self.groups.as_ref()).unwrap_or_default(),
            include_attachments: pick(
                over.include_attachments.as_ref(),
                self.include_attachments.as_ref(),
            )
            .unwrap_or_default(),
            text_chunk_limit: pick(over.text_chunk_limit.as_ref(), self.text_chunk_limit.as_ref())
                .unwrap_or(4000),
            chunk_mode: pick(over.chunk_mode.as_ref(), self.chunk_mode.as_ref())
                .unwrap_or_default(),
            block_streaming: pick(over.block_streaming.as_ref(), self.block_streaming.as_ref())
                .unwrap_or_default(),
            service: pick(over.service.as_ref(), self.service.as_ref()).unwrap_or_default(),
            region: pick(over.region.as_ref(), self.region.as_ref())
                .unwrap_or_else(|| "US".to_owned()),
            response_prefix: pick(over.response_prefix.as_ref(), self.response_prefix.as_ref()),
            unsettled_sends: pick(over.unsettled_sends.as_ref(), self.unsettled_sends.as_ref())
                .unwrap_or_default(),
            unsettled_after_seconds: pick(
                over.unsettled_after_seconds.as_ref(),
                self.unsettled_after_seconds.as_ref(),
            )
            .unwrap_or(300),
        }
    }
}

/// The account's setting, else the channel's.
fn pick<T: Clone>(over: Option<&T>, base: Option<&T>) -> Option<T> {
    over.or(base).cloned()
}
