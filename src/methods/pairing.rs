//! People who want to write: who waits for approval, and what the operator decides.

use serde::Deserialize;
use serde_json::{Value, json};
use telson_actors::message::AccountKey;
use telson_actors::router::{
    AccountPairings, Judged, PAIRING_LIFETIME, PairingError, PairingRequest, Pairings, Verdict,
};

use super::params::{Text, read};
use super::{Call, ErrorBody, Method, Scope, ready};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "pairing.list",
        scope: Scope::Pairing,
        about: "who waits for approval to write, and who has it",
        run: |call| ready(list(&call)),
    },
    Method {
        name: "pairing.approve",
        scope: Scope::Pairing,
        about: "let the person with a code write direct messages",
        run: |call| Box::pin(of_code(call, "pairing.approve", Verdict::Approve)),
    },
    Method {
        name: "pairing.reject",
        scope: Scope::Pairing,
        about: "turn the person with a code away",
        run: |call| Box::pin(of_code(call, "pairing.reject", Verdict::Reject)),
    },
    Method {
        name: "pairing.revoke",
        scope: Scope::Pairing,
        about: "take a person's approval back",
        run: |call| Box::pin(revoke(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    channel: Option<Text>,
    account: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeParams {
    channel: Text,
    account: Option<Text>,
    code: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonParams {
    channel: Text,
    account: Option<Text>,
    person: Text,
}

fn list(Call { engine, params, .. }: &Call) -> Result<Value, ErrorBody> {
    let params: ListParams = read("pairing.list", params.clone())?;
    let pairings = engine.pairings();
    let mut accounts = pairings.list().map_err(ErrorBody::internal)?;
    if let Some(channel) = params.channel.as_ref().map(said) {
        let account = params.account.as_ref().map(said);
        if account.is_some() || accounts.iter().all(|known| known.account.channel != channel) {
            pairings.account(channel, account).map_err(refused)?;
        }
        accounts.retain(|known| {
            known.account.channel == channel && account.is_none_or(|it| known.account.account == it)
        });
    }
    Ok(json!({"accounts": accounts.iter().map(shown).collect::<Vec<_>>()}))
}

fn shown(AccountPairings { account, pending, paired }: &AccountPairings) -> Value {
    let request = |request: &PairingRequest| {
        json!({
            "code": request.code,
            "sender": request.sender,
            "requestedAt": request.requested_at,
            "expiresAt": request.requested_at.plus(PAIRING_LIFETIME),
        })
    };
    json!({
        "account": account.to_string(),
        "pending": pending.iter().map(request).collect::<Vec<_>>(),
        "paired": paired,
    })
}

async fn of_code(
    Call { engine, params, .. }: Call,
    method: &str,
    verdict: fn(String) -> Verdict,
) -> Result<Value, ErrorBody> {
    let CodeParams { channel, account, code } = read(method, params)?;
    judge(engine.pairings(), &channel, account.as_ref(), verdict(said(&code).to_owned())).await
}

async fn revoke(Call { engine, params, .. }: Call) -> Result<Value, ErrorBody> {
    let PersonParams { channel, account, person } = read("pairing.revoke", params)?;
    let verdict = Verdict::Revoke(said(&person).to_owned());
    judge(engine.pairings(), &channel, account.as_ref(), verdict).await
}

async fn judge(
    pairings: Pairings,
    channel: &Text,
    account: Option<&Text>,
    verdict: Verdict,
) -> Result<Value, ErrorBody> {
    let (account, judged) = judged(pairings, channel, account, verdict).await.map_err(refused)?;
    Ok(json!({
        "account": account.to_string(),
        "sender": judged.sender,
        "told": judged.is_told,
    }))
}

/// What was decided, and for which account.
pub(super) async fn judged(
    pairings: Pairings,
    channel: &Text,
    account: Option<&Text>,
    verdict: Verdict,
) -> Result<(AccountKey, Judged), PairingError> {
    let account = pairings.account(said(channel), account.map(said))?;
    let judged = pairings.judge(&account, verdict).await?;
    Ok((account, judged))
}

fn said(text: &Text) -> &str {
    text.as_str().trim()
}

pub(super) fn refused(error: PairingError) -> ErrorBody {
    match error {
        PairingError::Restarting => ErrorBody::unavailable(error.to_string()),
        PairingError::Store(error) => ErrorBody::internal(error),
        error => ErrorBody::not_found(error.to_string()),
    }
}
