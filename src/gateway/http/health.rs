//! Whether it lives, has started, and can work. Details are for operators and for this machine.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use telson_supervision::{Node, NodeState};

use super::{Routes, auth};
use crate::control::CONTROL;
use crate::engine::Engine;
use crate::gateway::GATEWAY;
use crate::gateway::narrator::NARRATOR;
use crate::gateway::visitor::Visitor;
use crate::methods::{Scope, Taking};

/// Always, while the process answers at all.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"ok": true, "status": "live"}))
}

/// Whether it has started, and does not stop yet.
pub(super) async fn started(State(routes): State<Routes>) -> Response {
    match routes.served.engine.get() {
        None => answer(false, json!({"status": "starting"})),
        Some(engine) if engine.suspension().intake().has_ended() => {
            answer(false, json!({"status": "draining"}))
        }
        Some(_) => answer(true, json!({"status": "started"})),
    }
}

/// Whether it takes messages and every account can work.
pub(super) async fn ready(
    State(routes): State<Routes>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let failing = match routes.served.engine.get() {
        None => {
            let why = routes.served.engine.absence().unwrap_or("the gateway is starting");
            vec![Trouble::new("engine", why)]
        }
        Some(engine) => troubles(&engine),
    };
    let ready = failing.is_empty();
    let mut body = json!({"status": if ready { "ready" } else { "not_ready" }});
    let may_see = |scope| auth::operator(&routes, &visitor, &headers, scope).is_ok();
    if visitor.is_local || may_see(Scope::Read) {
        let shown: Vec<Value> =
            failing.iter().map(|it| json!({"part": it.part, "why": it.why})).collect();
        body["failing"] = json!(shown);
        if let Some(engine) = routes.served.engine.get() {
            body["uptimeMs"] =
                json!(u64::try_from(engine.uptime().as_millis()).unwrap_or(u64::MAX));
        }
    }
    answer(ready, body)
}

fn answer(ok: bool, mut body: Value) -> Response {
    body["ok"] = json!(ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// Something that can't work.
struct Trouble {
    part: String,
    why: String,
}

impl Trouble {
    fn new(part: impl Into<String>, why: impl Into<String>) -> Self {
        Self { part: part.into(), why: why.into() }
    }
}

fn troubles(engine: &Engine) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    match engine.taking() {
        Taking::All => {}
        Taking::Ending => troubles.push(Trouble::new("engine", "the gateway is draining")),
        Taking::Quieter | Taking::Nothing => {
            troubles.push(Trouble::new("gateway-draining", "the gateway is suspended"));
        }
    }
    if let Some(shortage) = engine.disk().shortage {
        troubles.push(Trouble::new("disk", shortage));
    }
    let accounts = accounts(&engine.tree()).into_iter();
    troubles.extend(accounts.filter_map(|(part, why)| Some(Trouble::new(part, why?))));
    troubles
}

/// Every account, with what keeps it from working.
pub(super) fn accounts(tree: &Node) -> Vec<(String, Option<String>)> {
    let edge = tree.children.iter().find(|child| child.id == "edge");
    let accounts = edge.map(|edge| edge.children.as_slice()).unwrap_or_default();
    let accounts =
        accounts.iter().filter(|child| ![CONTROL, GATEWAY, NARRATOR].contains(&child.id.as_str()));
    accounts.map(|account| (account.id.clone(), trouble(account))).collect()
}

/// Why a part of the tree can't work, as its first troubled member says.
fn trouble(node: &Node) -> Option<String> {
    let own = match node.state {
        NodeState::Restarting | NodeState::Tripped => {
            Some(node.last_error.clone().unwrap_or_else(|| "it is restarting".into()))
        }
        _ => node.note.clone(),
    };
    own.or_else(|| node.children.iter().find_map(trouble))
}

#[cfg(test)]
mod tests {
    use telson_supervision::NodeKind;

    use super::*;

    fn node(id: &str, children: Vec<Node>) -> Node {
        Node {
            id: id.into(),
            kind: NodeKind::Worker,
            state: NodeState::Restarting,
            restarts: 1,
            last_error: None,
            note: None,
            mailbox_depth: 0,
            idle_ms: None,
            up_ms: None,
            live: None,
            children,
        }
    }

    #[test]
    fn only_accounts_are_accounts() {
        let edge = ["imessage/default", CONTROL, NARRATOR, GATEWAY];
        let edge = edge.map(|id| node(id, Vec::new())).into();
        let tree = node("engine", vec![node("core", Vec::new()), node("edge", edge)]);
        let known: Vec<String> = accounts(&tree).into_iter().map(|(id, _)| id).collect();
        assert_eq!(known, ["imessage/default"]);
    }
}
