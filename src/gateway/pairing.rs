//! What may be given to devices, and by whom: never more than the giver holds, and never more than
//! was asked for and approved. Invariant: X1.

use super::device::{DeviceRecord, DeviceRequest, covers, known_scopes};
use super::handshake::Wish;
use crate::frame::ErrorBody;
use crate::methods::{Caller, Role, Scope};

/// The rights of a caller, by name.
pub(crate) fn held(caller: &Caller) -> Vec<String> {
    caller.scopes.iter().map(|scope| scope.name().to_owned()).collect()
}

/// Whether a caller may let a device have this.
///
/// # Errors
/// The right it lacks.
pub(crate) fn may_give(caller: &Caller, role: Role, scopes: &[String]) -> Result<(), ErrorBody> {
    if !caller.may(Scope::Pairing) {
        return Err(ErrorBody::missing_scope(Scope::Pairing.name()));
    }
    if role != Role::Operator && !caller.may(Scope::Admin) {
        return Err(ErrorBody::missing_scope(Scope::Admin.name()));
    }
    let held = held(caller);
    match scopes.iter().find(|scope| !covers(&held, std::slice::from_ref(*scope))) {
        Some(missing) => Err(ErrorBody::missing_scope(missing)),
        None => Ok(()),
    }
}

/// Whether a caller may change what a device has: its own, or as an administrator any.
///
/// # Errors
/// It may not.
pub(crate) fn may_change(caller: &Caller, device: &str) -> Result<(), ErrorBody> {
    let is_own = caller.device.as_deref() == Some(device);
    // A person at the shared secret has no device; one with a device and no more than pairing keeps
    // to its own.
    if is_own || caller.device.is_none() || caller.may(Scope::Admin) {
        return Ok(());
    }
    Err(ErrorBody::forbidden("a device may change itself only; an administrator may change others"))
}

/// The record of a device that is let in, or is given more.
pub(crate) fn let_in(
    before: Option<DeviceRecord>,
    wish: &Wish,
    via: &str,
    by: Option<String>,
    now: i64,
) -> DeviceRecord {
    let mut record = before.unwrap_or_else(|| DeviceRecord {
        portrait: wish.portrait.clone(),
        label: None,
        roles: Vec::new(),
        scopes: Vec::new(),
        approved_via: via.to_owned(),
        approved_by: None,
        created_at: now,
        approved_at: now,
        seen_at: now,
        tokens: Vec::new(),
    });
    record.portrait = wish.portrait.clone();
    via.clone_into(&mut record.approved_via);
    record.approved_by = by;
    record.approved_at = now;
    if !record.has_role(wish.role) {
        record.roles.push(wish.role.name().to_owned());
    }
    for scope in &wish.scopes {
        if !record.scopes.contains(scope) {
            record.scopes.push(scope.clone());
        }
    }
    // A token with fewer rights carries more from now on: what it carried and what is given now,
    // never what was taken from it before (X1). It stays the same text, for its device may have
    // nothing else to come back with. One that was taken back is replaced when it next connects.
    let scopes = match record.token(wish.role) {
        Some(token) if wish.role != Role::Node => {
            let kept = if token.revoked_at.is_some() { Vec::new() } else { token.scopes.clone() };
            let given = wish.scopes.iter().filter(|scope| !kept.contains(scope)).cloned();
            let given: Vec<String> = given.collect();
            [kept, given].concat()
        }
        _ => token_scopes(&record, wish.role),
    };
    let token = record.tokens.iter_mut().find(|token| token.role == wish.role.name());
    match token {
        Some(token) if token.revoked_at.is_some() => record.issue(wish.role, scopes, None, now),
        Some(token) => token.scopes = scopes,
        None => {}
    }
    record
}

/// The rights a token of a role carries: all that were approved.
pub(crate) fn token_scopes(record: &DeviceRecord, role: Role) -> Vec<String> {
    if role == Role::Node { Vec::new() } else { record.scopes.clone() }
}

/// The rights of a token that is to replace a device's: what was asked for, else those of the old
/// one.
///
/// # Errors
/// More than was approved, more than the caller has, or nothing to replace.
pub(crate) fn rotation(
    caller: &Caller,
    record: &DeviceRecord,
    role: Role,
    asked: Option<&[String]>,
) -> Result<Vec<String>, ErrorBody> {
    may_change(caller, &record.portrait.device_id)?;
    if !record.has_role(role) {
        let role = role.name();
        return Err(ErrorBody::forbidden(format!("this device is not approved as {role}")));
    }
    let scopes = match asked {
        Some(asked) => known_scopes(asked),
        None => record
            .token(role)
            .map_or_else(|| token_scopes(record, role), |token| token.scopes.clone()),
    };
    if asked.is_some_and(|asked| asked.len() != scopes.len()) {
        return Err(ErrorBody::invalid("params.scopes: a scope that does not exist, or twice"));
    }
    if role == Role::Node && !scopes.is_empty() {
        return Err(ErrorBody::invalid("params.scopes: a node has no operator's scopes"));
    }
    if let Some(more) = scopes.iter().find(|scope| !covers(&record.scopes, &[(*scope).clone()])) {
        return Err(ErrorBody::forbidden(format!("this device is not approved for {more}")));
    }
    may_give(caller, role, &scopes)?;
    Ok(scopes)
}

/// Whether a request says the same as another: then it is the same one.
pub(crate) fn is_same_request(known: &DeviceRequest, wish: &Wish) -> bool {
    known.portrait == wish.portrait && known.role == wish.role.name() && known.scopes == wish.scopes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::gateway::device::Portrait;

    fn names(scopes: &[Scope]) -> Vec<String> {
        scopes.iter().map(|scope| scope.name().to_owned()).collect()
    }

    fn some_scopes() -> impl Strategy<Value = Vec<Scope>> {
        subsequence(Scope::ALL.to_vec(), 0..=Scope::ALL.len())
    }

    fn caller() -> impl Strategy<Value = Caller> {
        let device = select(vec![None, Some("own".to_owned()), Some("other".to_owned())]);
        (some_scopes(), device)
            .prop_map(|(scopes, device)| Caller { device, ..Caller::operator("c", scopes) })
    }

    fn wish(role: Role, scopes: Vec<String>) -> Wish {
        let portrait = Portrait {
            device_id: "own".into(),
            public_key: "key".into(),
            display_name: None,
            platform: "linux".into(),
            device_family: None,
            client_id: "cli".into(),
            client_mode: "cli".into(),
        };
        Wish { portrait, role, scopes }
    }

    fn includes(held: &[Scope], wanted: &[String]) -> bool {
        wanted.iter().all(|name| {
            Scope::named(name).is_some_and(|it| held.iter().any(|held| held.includes(it)))
        })
    }

    proptest! {
        // X1
        #[test]
        fn what_is_given_the_giver_has(caller in caller(), scopes in some_scopes(), node: bool) {
            let role = if node { Role::Node } else { Role::Operator };
            let given = may_give(&caller, role, &names(&scopes)).is_ok();
            if given {
                prop_assert!(includes(&caller.scopes, &names(&scopes)));
                prop_assert!(caller.may(Scope::Pairing));
                prop_assert!(!node || caller.may(Scope::Admin));
            }
        }

        // X1
        #[test]
        fn a_token_is_never_wider_than_what_was_approved_and_what_its_giver_has(
            caller in caller(),
            approved in some_scopes(),
            asked in proptest::option::of(some_scopes()),
            narrowed in some_scopes(),
            roles in subsequence(Role::ALL.to_vec(), 0..=2),
            node: bool,
        ) {
            let role = if node { Role::Node } else { Role::Operator };
            let mut record = let_in(None, &wish(Role::Operator, names(&approved)), "x", None, 0);
            record.roles = roles.iter().map(|role| role.name().to_owned()).collect();
            record.issue(Role::Operator, names(&narrowed), Some("t"), 0);
            let asked = asked.map(|asked| names(&asked));
            if let Ok(scopes) = rotation(&caller, &record, role, asked.as_deref()) {
                prop_assert!(roles.contains(&role));
                prop_assert!(covers(&record.scopes, &scopes));
                prop_assert!(includes(&caller.scopes, &scopes));
                prop_assert!(!node || caller.may(Scope::Admin));
                prop_assert!(caller.device.as_deref() != Some("other") || caller.may(Scope::Admin));
            }
        }

        #[test]
        fn more_rights_are_carried_by_the_same_token(first in some_scopes(), more in some_scopes()) {
            let mut record = let_in(None, &wish(Role::Operator, names(&first)), "x", None, 0);
            record.issue(Role::Operator, token_scopes(&record, Role::Operator), Some("t"), 0);
            let after = let_in(Some(record.clone()), &wish(Role::Operator, names(&more)), "y", None, 1);
            let has = |scope: &Scope| after.scopes.contains(&scope.name().to_owned());
            prop_assert!(first.iter().chain(&more).all(has));
            let token = after.token(Role::Operator).unwrap();
            prop_assert_eq!(&token.scopes, &after.scopes);
            prop_assert!(token.is("t") && !after.is_token_due(Role::Operator));
        }

        // X1: what was taken from a token does not come back with something else that is given.
        #[test]
        fn what_was_taken_is_not_given_back(
            first in some_scopes(),
            left in some_scopes(),
            more in some_scopes(),
        ) {
            let mut record = let_in(None, &wish(Role::Operator, names(&first)), "x", None, 0);
            let left: Vec<Scope> = left.into_iter().filter(|it| first.contains(it)).collect();
            record.issue(Role::Operator, names(&left), Some("t"), 0);
            let after = let_in(Some(record), &wish(Role::Operator, names(&more)), "y", None, 1);
            let held = [left, more].concat();
            let carried = &after.token(Role::Operator).unwrap().scopes;
            prop_assert!(carried.iter().all(|name| held.iter().any(|it| it.name() == name)));
        }
    }
}
