//! People who want to write, as clients of the gateway protocol see them. A request's id is its code.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::clock::Timestamp;
use telson_actors::router::{PAIRING_LIFETIME, PAIRING_PENDING_MAX, Verdict};

use super::accounts::label;
use super::pairing::{judged, refused};
use super::params::{Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "channels.pairing.list",
        scope: Scope::Pairing,
        about: "who waits for approval to write",
        run: |call| ready(list(&call)),
    },
    Method {
        name: "channels.pairing.approve",
        scope: Scope::Pairing,
        about: "let somebody who waits write direct messages",
        run: |call| Box::pin(approve(call)),
    },
    Method {
        name: "channels.pairing.dismiss",
        scope: Scope::Pairing,
        about: "turn somebody who waits away",
        run: |call| Box::pin(dismiss(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListParams {
    channel: Option<Text>,
    account_id: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ApproveParams {
    channel: Text,
    account_id: Text,
    request_id: Text,
    #[expect(dead_code, reason = "whoever can be told is told")]
    notify: Option<bool>,
    #[serde(default)]
    bootstrap_command_owner: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DismissParams {
    channel: Text,
    account_id: Text,
    request_id: Text,
}

fn list(call: &Call) -> Result<Value, ErrorBody> {
    let params: ListParams = read("channels.pairing.list", call.params.clone())?;
    let pairings = call.engine.pairings();
    let mut books = pairings.list().map_err(ErrorBody::internal)?;
    let is = |wanted: &Option<Text>, name: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.as_str() == name)
    };
    books.retain(|book| {
        is(&params.channel, &book.account.channel) && is(&params.account_id, &book.account.account)
    });
    let (mut accounts, mut requests) = (Vec::new(), Vec::new());
    for book in &books {
        let (channel, account) = (&book.account.channel, &book.account.account);
        accounts.push(json!({
            "channel": channel,
            "channelLabel": label(channel),
            "accountId": account,
            "notifySupported": true,
        }));
        for request in &book.pending {
            requests.push(json!({
                "requestId": request.code,
                "channel": channel,
                "channelLabel": label(channel),
                "accountId": account,
                "senderId": request.sender,
                "senderLabel": request.sender,
                "createdAt": moment(request.requested_at)?,
                "lastSeenAt": moment(request.requested_at)?,
                "expiresAt": moment(request.requested_at.plus(PAIRING_LIFETIME))?,
                "notifySupported": true,
            }));
        }
    }
    Ok(json!({
        "accounts": accounts,
        "requests": requests,
        "commandOwnerConfigured": has_owner(call),
        "limits": {
            "pendingPerAccount": PAIRING_PENDING_MAX,
            "ttlMs": u64::try_from(PAIRING_LIFETIME.as_millis()).unwrap_or(u64::MAX),
        },
    }))
}

fn has_owner(call: &Call) -> bool {
    let config = call.host.config.as_ref();
    config.is_some_and(|config| !config.commands.owner_allow_from.is_empty())
}

fn moment(at: Timestamp) -> Result<String, ErrorBody> {
    let at = jiff::Timestamp::from_millisecond(at.0).map_err(ErrorBody::internal)?;
    Ok(at.to_string())
}

async fn approve(call: Call) -> Result<Value, ErrorBody> {
    let params: ApproveParams = read("channels.pairing.approve", call.params.clone())?;
    let verdict = Verdict::Approve(params.request_id.as_str().trim().to_owned());
    let pairings = call.engine.pairings();
    let (_, judged) = judged(pairings, &params.channel, Some(&params.account_id), verdict)
        .await
        .map_err(refused)?;
    // Who commands the gateway is said in the config.
    let owner = match (params.bootstrap_command_owner, has_owner(&call)) {
        (false, _) => "not-requested",
        (true, true) => "already-configured",
        (true, false) => "unavailable",
    };
    Ok(json!({
        "requestId": params.request_id,
        "senderId": judged.sender,
        "notification": if judged.is_told { "sent" } else { "unsupported" },
        "commandOwnerBootstrap": owner,
    }))
}

async fn dismiss(call: Call) -> Result<Value, ErrorBody> {
    let params: DismissParams = read("channels.pairing.dismiss", call.params.clone())?;
    let verdict = Verdict::Reject(params.request_id.as_str().trim().to_owned());
    let pairings = call.engine.pairings();
    let (_, judged) = judged(pairings, &params.channel, Some(&params.account_id), verdict)
        .await
        .map_err(refused)?;
    Ok(json!({"requestId": params.request_id, "senderId": judged.sender}))
}
