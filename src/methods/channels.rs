//! The channels: how they are, and starting and stopping them.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use telson_supervision::NodeState;

use super::accounts::{self, Account, label};
use super::params::{Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "channels.status",
        scope: Scope::Read,
        about: "the channels and their accounts",
        run: |call| ready(status(call)),
    },
    Method {
        name: "channels.start",
        scope: Scope::Admin,
        about: "start an account that was stopped",
        run: |call| ready(switch(call, "channels.start")),
    },
    Method {
        name: "channels.stop",
        scope: Scope::Admin,
        about: "stop an account until the service starts again",
        run: |call| ready(switch(call, "channels.stop")),
    },
    Method {
        name: "channels.logout",
        scope: Scope::Admin,
        about: "give up a channel's login, where it has one",
        run: |call| ready(logout(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StatusParams {
    #[serde(default)]
    probe: bool,
    #[expect(dead_code, reason = "nothing here waits")]
    timeout_ms: Option<u64>,
    channel: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OneParams {
    channel: Text,
    account_id: Option<String>,
}

fn status(call: Call) -> Result<Value, ErrorBody> {
    let params: StatusParams = read("channels.status", call.params)?;
    let now = call.engine.clock().now().0;
    let mut list = accounts::list(&call.engine.tree());
    if let Some(channel) = &params.channel {
        list.retain(|account| account.channel == channel.as_str());
    }
    let names = accounts::names(&list);
    let meta = |name: &String| json!({"id": name, "label": label(name), "detailLabel": label(name), "systemImage": "message"});
    let (mut channels, mut by_channel, mut defaults) = (Map::new(), Map::new(), Map::new());
    for name in &names {
        let own: Vec<&Account> = list.iter().filter(|account| account.channel == *name).collect();
        let is_running = own.iter().any(|account| account.state == NodeState::Running);
        let error = own.iter().flat_map(|account| &account.troubles).next();
        channels.insert(
            name.clone(),
            json!({"configured": true, "running": is_running, "lastError": error}),
        );
        let shown = own.iter().map(|account| shown(account, params.probe, now)).collect();
        by_channel.insert(name.clone(), Value::Array(shown));
        let default = own.iter().find(|account| account.id == "default").or(own.first());
        if let Some(default) = default {
            defaults.insert(name.clone(), json!(default.id));
        }
    }
    let warnings: Vec<String> = list.iter().flat_map(warnings).collect();
    Ok(json!({
        "ts": now,
        "channelOrder": names,
        "channelLabels": accounts::labels(&list),
        "channelDetailLabels": accounts::labels(&list),
        "channelSystemImages": {},
        "channelMeta": names.iter().map(meta).collect::<Vec<_>>(),
        "channels": channels,
        "channelAccounts": by_channel,
        "channelDefaultAccountId": defaults,
        "warnings": warnings,
    }))
}

/// One account. A probe is what its actors say of themselves at this moment: they look at their
/// platform all the time.
fn shown(account: &Account, probe: bool, now: i64) -> Value {
    let is_running = account.state == NodeState::Running;
    let started = account.up_ms.and_then(|up| i64::try_from(up).ok()).map(|up| now - up);
    let mut shown = json!({
        "accountId": account.id,
        "enabled": true,
        "configured": true,
        "running": is_running,
        "connected": is_running && account.troubles.is_empty(),
        "reconnectAttempts": account.restarts,
        "lastStartAt": started,
        "lastError": account.troubles.first(),
        "healthState": health(account),
    });
    if probe {
        let is_well = is_running && account.troubles.is_empty();
        shown["lastProbeAt"] = json!(now);
        shown["probe"] = json!({"ok": is_well, "error": account.troubles.first()});
    }
    shown
}

fn health(account: &Account) -> &'static str {
    match account.state {
        NodeState::Running if account.troubles.is_empty() => "healthy",
        NodeState::Running => "degraded",
        NodeState::Restarting => "restarting",
        NodeState::Tripped => "failed",
        NodeState::Stopped => "stopped",
    }
}

fn warnings(account: &Account) -> Vec<String> {
    let name = format!("{} {}", label(&account.channel), account.id);
    account.troubles.iter().map(|trouble| format!("{name}: {trouble}")).collect()
}

fn switch(call: Call, method: &str) -> Result<Value, ErrorBody> {
    let params: OneParams = read(method, call.params)?;
    let chosen = choose(&params, &accounts::list(&call.engine.tree()))?;
    let is_held = method == "channels.stop";
    for account in &chosen {
        if !call.engine.hold_actor(&format!("edge/{}", account.branch), is_held) {
            return Err(ErrorBody::unavailable("the channels are restarting; try again"));
        }
    }
    let ids: Vec<&str> = chosen.iter().map(|account| account.id.as_str()).collect();
    let word = if is_held { "stopped" } else { "started" };
    Ok(json!({
        "ok": true,
        "channel": params.channel,
        "accountId": ids.first(),
        "accounts": ids,
        word: true,
    }))
}

fn logout(call: Call) -> Result<Value, ErrorBody> {
    let params: OneParams = read("channels.logout", call.params)?;
    choose(&params, &accounts::list(&call.engine.tree()))?;
    let text = format!("channel {} has no login to give up", params.channel);
    Err(ErrorBody::invalid(text))
}

/// The accounts that are meant: one, or all of the channel.
fn choose(params: &OneParams, list: &[Account]) -> Result<Vec<Account>, ErrorBody> {
    let channel = params.channel.as_str();
    let mut chosen: Vec<Account> =
        list.iter().filter(|account| account.channel == channel).cloned().collect();
    if chosen.is_empty() {
        let known = accounts::names(list).join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        let text = format!("unknown channel: {channel}; configured: {known}");
        return Err(ErrorBody::invalid(text));
    }
    if let Some(id) = params.account_id.as_deref().filter(|id| !id.is_empty()) {
        chosen.retain(|account| account.id == id);
        if chosen.is_empty() {
            return Err(ErrorBody::invalid(format!("channel {channel} has no account {id:?}")));
        }
    }
    Ok(chosen)
}
