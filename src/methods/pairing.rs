//! People who want to write: who waits for approval, and what the operator decides.

use serde_json::{Value, json};
use telson_actors::router::{
    AccountPairings, PAIRING_LIFETIME, PairingError, PairingRequest, Pairings, Verdict,
};

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
        run: |call| Box::pin(judge(call, "code", Verdict::Approve)),
    },
    Method {
        name: "pairing.reject",
        scope: Scope::Pairing,
        about: "turn the person with a code away",
        run: |call| Box::pin(judge(call, "code", Verdict::Reject)),
    },
    Method {
        name: "pairing.revoke",
        scope: Scope::Pairing,
        about: "take a person's approval back",
        run: |call| Box::pin(judge(call, "person", Verdict::Revoke)),
    },
];

/// `pairing.list {channel?, account?}`.
fn list(Call { engine, params, .. }: &Call) -> Result<Value, ErrorBody> {
    let pairings = engine.pairings();
    let mut accounts = pairings.list().map_err(ErrorBody::internal)?;
    if let Some(channel) = text(params, "channel") {
        let account = text(params, "account");
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

/// `{channel, account?, code}` or `{channel, account?, person}`.
async fn judge(
    Call { engine, params, .. }: Call,
    about: &str,
    verdict: fn(String) -> Verdict,
) -> Result<Value, ErrorBody> {
    let missing = |what| ErrorBody::invalid(format!("name the {what}"));
    let channel = text(&params, "channel").ok_or_else(|| missing("channel"))?;
    let whom = text(&params, about).ok_or_else(|| missing(about))?;
    let pairings: Pairings = engine.pairings();
    let account = pairings.account(channel, text(&params, "account")).map_err(refused)?;
    let judged = pairings.judge(&account, verdict(whom.to_owned())).await.map_err(refused)?;
    Ok(json!({
        "account": account.to_string(),
        "sender": judged.sender,
        "told": judged.is_told,
    }))
}

/// A parameter that says something.
fn text<'a>(params: &'a Value, name: &str) -> Option<&'a str> {
    params.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn refused(error: PairingError) -> ErrorBody {
    match error {
        PairingError::Restarting => ErrorBody::unavailable(error.to_string()),
        PairingError::Store(error) => ErrorBody::internal(error),
        error => ErrorBody::not_found(error.to_string()),
    }
}
