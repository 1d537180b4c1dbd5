//! What is the case when somebody asks.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use telson_supervision::Node;

use super::process;
use crate::engine::Engine;
use crate::gateway::http::health;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    channel: String,
    account: String,
}

/// A registry of it.
pub(super) fn snapshot(engine: &Engine) -> Registry {
    let mut all = Registry::default();
    process::add(&mut all);
    let registry = all.sub_registry_with_prefix("telson");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", version);
    let tree = engine.tree();
    let (load, store, disk) = (engine.load(), engine.store_stats(), engine.disk());
    let gauges = [
        ("uptime_seconds", "Time since the engine was started", engine.uptime().as_secs()),
        ("messages_waiting", "Admitted messages without an answer", load.waiting),
        ("outbox_waiting", "Replies that are not delivered yet", load.undelivered),
        ("dead_letters", "What waits for a person", load.dead_letters),
        ("damaged_records", "Records found damaged and set aside", load.damaged),
        ("sessions_live", "Sessions in memory", u64::try_from(live(&tree)).unwrap_or(u64::MAX)),
        ("store_size_bytes", "The store on the disk", store.disk_bytes),
        ("store_openings", "How often the store has been opened", store.epoch),
        ("admitting", "Whether messages are taken in", takes_in(engine)),
        ("mailboxes_waiting", "Messages between actors that wait", mailboxes(&tree)),
    ];
    for (name, about, value) in gauges {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        registry.register(name, about, ConstGauge::new(value));
    }
    if let Some(free) = disk.free_bytes {
        let free = i64::try_from(free).unwrap_or(i64::MAX);
        registry.register("disk_free_bytes", "Room beside the store", ConstGauge::new(free));
    }
    let commits = ConstCounter::new(store.groups);
    registry.register("store_commits", "Groups of writes made durable by one sync", commits);
    let restarts = ConstCounter::new(restarts(&tree));
    registry.register("actor_restarts", "Restarts of actors in the tree as it is", restarts);
    add_accounts(registry, engine, &tree);
    all
}

fn takes_in(engine: &Engine) -> u64 {
    u64::from(engine.is_admitting() && engine.disk().shortage.is_none())
}

fn add_accounts(registry: &mut Registry, engine: &Engine, tree: &Node) {
    let (up, queued) = (Family::<AccountLabels, Gauge>::default(), Family::default());
    let troubles = health::accounts(tree);
    for account in engine.accounts() {
        let labels =
            AccountLabels { channel: account.channel.clone(), account: account.account.clone() };
        let name = account.to_string();
        let works = troubles.iter().any(|(id, trouble)| *id == name && trouble.is_none());
        up.get_or_create(&labels).set(i64::from(works));
        let depth = i64::try_from(engine.undelivered(account)).unwrap_or(i64::MAX);
        let queued: &Family<AccountLabels, Gauge> = &queued;
        queued.get_or_create(&labels).set(depth);
    }
    registry.register("channel_up", "Whether an account can work", up);
    registry.register("outbox_entries", "Replies of an account that wait to be sent", queued);
}

fn live(node: &Node) -> usize {
    node.live.unwrap_or_else(|| node.children.iter().map(live).sum())
}

fn restarts(node: &Node) -> u64 {
    u64::from(node.restarts) + node.children.iter().map(restarts).sum::<u64>()
}

fn mailboxes(node: &Node) -> u64 {
    node.mailbox_depth + node.children.iter().map(mailboxes).sum::<u64>()
}
