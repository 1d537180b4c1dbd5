//! Channel accounts: from config to the account's branch of the tree.

use std::path::PathBuf;
use std::time::Duration;

use telson_actors::channel::imessage::ImessageConfig;
use telson_actors::channel::imessage::verdict::WatchLimits;
use telson_actors::message::AccountKey;
use telson_actors::outbox::UnsettledSends;

use super::{Assembly, access};
use crate::config::{self, ChunkMode, Config, ImessageAccount, ImessageService, Lookup};

/// How long one send may take: AppleScript has been seen to stall for two and a half minutes.
const SEND_MAX: Duration = Duration::from_secs(150);
/// Where Messages keeps its database, below the user's home.
const CHAT_DB: &str = "Library/Messages/chat.db";

pub(super) fn add(
    assembly: &mut Assembly,
    config: &Config,
    env: &Lookup<'_>,
) -> Result<(), String> {
    let accounts = config.imessage_accounts();
    if accounts.is_empty() {
        assembly.notes.push(
            "no channel is configured: add channels.imessage to the config to be reachable".into(),
        );
    }
    let home = env("HOME").filter(|home| !home.is_empty());
    for (id, account) in accounts {
        if !account.enabled {
            assembly.notes.push(format!("imessage/{id} is switched off in the config"));
            continue;
        }
        let imessage = imessage(&id, &account, home.as_deref())?;
        assembly.notes.push(format!(
            "imessage/{id} reads {} and sends through {}; direct messages: {}",
            imessage.db_path.display(),
            imessage.cli_path,
            policy(account.dm_policy),
        ));
        let key = imessage.account.clone();
        let unsettled = unsettled(account.unsettled_sends);
        let rules = access::of_account(config, &account);
        if account.block_streaming {
            assembly.build(|builder| builder.blocks(key.clone()));
        }
        if account.chunk_mode == ChunkMode::Newline {
            assembly.build(|builder| builder.paragraphs(key.clone()));
        }
        let prefix = account.response_prefix.unwrap_or_default();
        assembly.build(|builder| builder.imessage(imessage, unsettled, rules).prefix(key, &prefix));
    }
    Ok(())
}

pub(super) fn unsettled(sends: config::UnsettledSends) -> UnsettledSends {
    match sends {
        config::UnsettledSends::Park => UnsettledSends::Park,
        config::UnsettledSends::Resend => UnsettledSends::Resend,
    }
}

fn imessage(
    id: &str,
    account: &ImessageAccount,
    home: Option<&str>,
) -> Result<ImessageConfig, String> {
    let db_path = match (&account.db_path, home) {
        (Some(path), _) => expand(path, home),
        (None, Some(home)) => PathBuf::from(home).join(CHAT_DB),
        (None, None) => {
            return Err(format!(
                "channels.imessage account {id}: set dbPath, because HOME is not set"
            ));
        }
    };
    Ok(ImessageConfig {
        account: AccountKey::new("imessage", id),
        cli_path: expand(&account.cli_path, home).to_string_lossy().into_owned(),
        db_path,
        tell_db_path: account.db_path.is_some(),
        home: home.map(str::to_owned),
        text_max: usize::try_from(account.text_chunk_limit).unwrap_or(usize::MAX),
        service: match account.service {
            ImessageService::Auto => "auto",
            ImessageService::Imessage => "imessage",
            ImessageService::Sms => "sms",
        }
        .into(),
        region: account.region.clone(),
        limits: WatchLimits::default(),
        send_max: SEND_MAX,
        settle_max: Duration::from_secs(account.unsettled_after_seconds),
    })
}

/// `~/` stands for the user's home.
pub(crate) fn expand(path: &str, home: Option<&str>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => PathBuf::from(home).join(below),
        _ => PathBuf::from(path),
    }
}

fn policy(policy: config::DmPolicy) -> &'static str {
    match policy {
        config::DmPolicy::Pairing => "from approved people, others get a pairing code",
        config::DmPolicy::Allowlist => "from allowFrom only",
        config::DmPolicy::Open => "from everybody",
        config::DmPolicy::Disabled => "none",
    }
}
