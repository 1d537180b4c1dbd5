//! One iMessage account as a branch of the tree: the `imsg` child, the watcher, the sender.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use telson_supervision::{ChildSpec, Health, Registry, Shutdown};

use super::echoes::Echoes;
use super::rpc::{RpcActor, RpcClient, RpcConfig, RpcDeps};
use super::scanner::ScannerConfig;
use super::sender::{Sender, SenderConfig};
use super::verdict::WatchLimits;
use super::watcher::{WatcherActor, WatcherDeps};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::message::AccountKey;
use crate::router::Admissions;
use crate::store::Store;

/// A watcher that completes no poll for this long is replaced. A reader can be held inside SQLite
/// for ten seconds without being stuck.
const DEAF_AFTER: Duration = Duration::from_mins(1);

/// The settings of an account.
#[derive(Debug, Clone)]
pub struct ImessageConfig {
    /// The account.
    pub account: AccountKey,
    /// The `imsg` program or a wrapper.
    pub cli_path: String,
    /// The Messages database.
    pub db_path: PathBuf,
    /// Whether `db_path` was chosen by the operator, and the child has to be told.
    pub tell_db_path: bool,
    /// Replaces `~` in attachment paths.
    pub home: Option<String>,
    /// Longest text of one message, in characters.
    pub text_max: usize,
    /// `auto`, `imessage` or `sms`.
    pub service: String,
    /// The region for numbers without a country code.
    pub region: String,
    /// Waits and ages of inbound rows.
    pub limits: WatchLimits,
    /// How long a send may take.
    pub send_max: Duration,
    /// How long evidence about a send is waited for.
    pub settle_max: Duration,
}

/// What an account is built from.
#[derive(Clone)]
pub struct ImessageDeps {
    /// Its settings.
    pub config: ImessageConfig,
    /// Names of this engine.
    pub registry: Registry,
    /// Time.
    pub clock: Clock,
    /// The way in.
    pub admissions: Admissions,
    /// Where the cursor lives.
    pub store: Store,
    /// Whether new messages are wanted.
    pub admitting: Arc<AtomicBool>,
}

/// The sending half, and the children that belong to the account's branch.
pub fn build(deps: &ImessageDeps) -> (Arc<dyn Channel>, Vec<ChildSpec>) {
    let config = &deps.config;
    let echoes = Echoes::default();
    let sender = Sender::new(
        SenderConfig {
            db_path: config.db_path.clone(),
            text_max: config.text_max,
            service: config.service.clone(),
            region: config.region.clone(),
            send_max: config.send_max,
            settle_max: config.settle_max,
        },
        RpcClient::new(&deps.registry, &config.account),
        echoes.clone(),
        deps.clock,
    );
    (Arc::new(sender), vec![rpc_child(deps), watcher_child(deps, echoes)])
}

fn rpc_child(deps: &ImessageDeps) -> ChildSpec {
    let health = Health::new();
    let config = &deps.config;
    let db_path = config.tell_db_path.then(|| config.db_path.to_string_lossy().into_owned());
    let rpc = RpcDeps {
        config: RpcConfig {
            account: config.account.clone(),
            program: config.cli_path.clone(),
            db_path,
        },
        registry: deps.registry.clone(),
        health: health.clone(),
    };
    ChildSpec::actor("imsg", move || (RpcActor, rpc.clone())).health(health)
}

fn watcher_child(deps: &ImessageDeps, echoes: Echoes) -> ChildSpec {
    let health = Health::new();
    let config = &deps.config;
    let watcher = WatcherDeps {
        scanner: ScannerConfig {
            account: config.account.clone(),
            path: config.db_path.clone(),
            home: config.home.clone(),
            limits: config.limits,
        },
        echoes,
        admissions: deps.admissions.clone(),
        store: deps.store.clone(),
        clock: deps.clock,
        admitting: deps.admitting.clone(),
        health: health.clone(),
    };
    // A poll must not hold up a shutdown: what it reads is still in the database.
    let shutdown = Shutdown { drain: Duration::from_millis(500), stop: Duration::from_millis(500) };
    ChildSpec::actor("watcher", move || (WatcherActor, watcher.clone()))
        .shutdown(shutdown)
        .health(health)
        .silence_max(DEAF_AFTER)
}
