//! What a server offers, as last heard: read by every session, written by the server's actor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use telson_supervision::Registry;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::client::McpClient;
use super::config::McpServer;
use super::tool::McpTool;
use super::wire::ListedTool;
use crate::tool::{Tool, ToolSource};

/// How long after the engine's start a turn waits for a server's first list of tools: without it
/// an agent would say that it can't do what it could do a moment later.
const SETTLE_MAX: Duration = Duration::from_secs(10);

type Tools = Arc<BTreeMap<String, Arc<McpTool>>>;

#[derive(Clone, Default)]
struct Known {
    /// Whether the server was heard, or given up for now.
    is_settled: bool,
    tools: Tools,
}

/// The tools of one server. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Catalog {
    client: McpClient,
    known: Arc<watch::Sender<Known>>,
    settles_by: Instant,
}

impl Catalog {
    /// An empty one for a server whose actor will answer in `registry`.
    pub fn new(server: McpServer, registry: &Registry) -> Self {
        let client = McpClient::new(Arc::new(server), registry);
        let (known, _) = watch::channel(Known::default());
        Self { client, known: Arc::new(known), settles_by: Instant::now() + SETTLE_MAX }
    }

    /// The server's name.
    pub fn server(&self) -> &str {
        &self.client.server.name
    }

    pub(super) fn config(&self) -> Arc<McpServer> {
        self.client.server.clone()
    }

    /// Replaces what is known.
    pub(super) fn learn(&self, tools: Vec<ListedTool>) {
        let tools = tools.into_iter().map(|listed| {
            let name = listed.spec.name.clone();
            (name, Arc::new(McpTool { listed, client: self.client.clone() }))
        });
        let tools: Tools = Arc::new(tools.collect());
        self.known.send_replace(Known { is_settled: true, tools });
    }

    /// The server can't be heard for now; nobody waits for it any longer.
    pub(super) fn settle(&self) {
        self.known.send_modify(|known| known.is_settled = true);
    }

    pub(super) fn len(&self) -> usize {
        self.known.borrow().tools.len()
    }
}

impl ToolSource for Catalog {
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let tools = self.known.borrow().tools.clone();
        tools.values().map(|tool| tool.clone() as Arc<dyn Tool>).collect()
    }

    fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        let known = self.known.borrow();
        known.tools.get(name).map(|tool| tool.clone() as Arc<dyn Tool>)
    }

    fn unsettled(&self) -> Option<BoxFuture<'static, ()>> {
        if self.known.borrow().is_settled || self.settles_by <= Instant::now() {
            return None;
        }
        let (mut known, settles_by) = (self.known.subscribe(), self.settles_by);
        Some(Box::pin(async move {
            drop(timeout_at(settles_by, known.wait_for(|known| known.is_settled)).await);
        }))
    }
}
