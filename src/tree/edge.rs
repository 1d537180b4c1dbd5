//! The accounts and what shows an engine to clients: each child of the edge with what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use telson_actors::channel::typing::{TypingActor, TypingDeps};
use telson_actors::channel::{Channel, Receiver, imessage, preview, webchat};
use telson_actors::message::AccountKey;
use telson_actors::outbox::{DeliveryActor, DeliveryDeps, Outbox, Style, UnsettledSends};
use telson_actors::router::Admissions;
use telson_supervision::{ChildSpec, Health, Shutdown, task};

use super::Wiring;
use crate::engine::AccountSpec;
use crate::gateway::narrator::NarratorDeps;
use crate::host::Host;

/// The end of a child that has nothing to finish: what it had is kept elsewhere.
const AT_ONCE: Shutdown = Shutdown { drain: Duration::ZERO, stop: Duration::from_millis(100) };

/// An account, taken apart: what sends, and which actors receive.
pub(super) struct Account {
    pub(super) key: AccountKey,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) unsettled: UnsettledSends,
    pub(super) children: Vec<ChildSpec>,
}

impl Wiring {
    pub(super) fn outbox(&self, accounts: &[Account]) -> Outbox {
        let styles: BTreeMap<_, _> = accounts
            .iter()
            .map(|account| {
                let prefix = self.spec.prefixes.get(&account.key).cloned().unwrap_or_default();
                let blocks = self.spec.blocks.contains(&account.key);
                let by_paragraph = self.spec.paragraphs.contains(&account.key);
                let capabilities = account.channel.capabilities();
                let style = Style { capabilities, prefix, blocks, by_paragraph };
                (account.key.clone(), style)
            })
            .collect();
        Outbox::new(self.store.clone(), self.registry.clone(), styles)
    }

    pub(super) fn account(&self, account: &AccountSpec) -> Account {
        match account {
            AccountSpec::Imessage(config, unsettled) => {
                let (channel, children) = imessage::build(&imessage::ImessageDeps {
                    config: (**config).clone(),
                    registry: self.registry.clone(),
                    clock: self.spec.clock,
                    admissions: Admissions::new(&self.registry),
                    store: self.store.clone(),
                    admitting: self.suspension.intake().flag(),
                });
                let key = config.account.clone();
                Account { key, channel, unsettled: *unsettled, children }
            }
            AccountSpec::WebChat => Account {
                key: webchat::account(),
                channel: Arc::new(self.web_chat.clone()),
                unsettled: UnsettledSends::default(),
                children: Vec::new(),
            },
            AccountSpec::Own { account, channel, receiver, unsettled } => Account {
                key: account.clone(),
                channel: channel.clone(),
                unsettled: *unsettled,
                children: receiver.iter().map(|receiver| self.receiver(receiver)).collect(),
            },
        }
    }

    fn receiver(&self, receiver: &Arc<dyn Receiver>) -> ChildSpec {
        let (receiver, registry) = (receiver.clone(), self.registry.clone());
        // A receiver has no mailbox to drain: what it has not admitted its platform still has.
        ChildSpec::new("receiver", move |parent| {
            let work = receiver.run(Admissions::new(&registry));
            task::spawn(parent, work)
        })
        .shutdown(AT_ONCE)
    }

    pub(super) fn delivery(&self, account: &Account, outbox: &Outbox) -> ChildSpec {
        let health = Health::new();
        let deps = DeliveryDeps {
            account: account.key.clone(),
            channel: account.channel.clone(),
            unsettled: account.unsettled,
            hooks: self.hooks.clone(),
            store: self.store.clone(),
            backlog: outbox.backlog(&account.key),
            clock: self.spec.clock,
            dice: self.spec.dice.clone(),
            journal: self.journal.clone(),
            registry: self.registry.clone(),
            health: health.clone(),
        };
        ChildSpec::actor("delivery", move || (DeliveryActor, deps.clone())).health(health)
    }

    /// Only where the platform can show it.
    pub(super) fn typing(&self, account: &Account) -> Option<ChildSpec> {
        let health = Health::new();
        let deps = TypingDeps {
            account: account.key.clone(),
            typing: account.channel.typing()?,
            clock: self.spec.clock,
            registry: self.registry.clone(),
            health: health.clone(),
        };
        Some(ChildSpec::actor("typing", move || (TypingActor, deps.clone())).health(health))
    }

    /// Only where it is wanted.
    pub(super) fn previews(&self, account: &Account) -> Option<ChildSpec> {
        let limits = *self.spec.previews.get(&account.key)?;
        if self.spec.blocks.contains(&account.key) || account.channel.previews().is_none() {
            return None;
        }
        let deps = preview::PreviewDeps {
            account: account.key.clone(),
            channel: account.channel.clone(),
            limits,
            streams: self.streams.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
        };
        // What it shows is noted; the next life removes it.
        let child = ChildSpec::new("previews", move |parent| {
            task::spawn(parent, preview::run(deps.clone()))
        });
        Some(child.shutdown(AT_ONCE))
    }

    pub(super) fn narrator(&self, host: &Host) -> NarratorDeps {
        NarratorDeps {
            hub: host.hub.clone(),
            runs: host.runs.clone(),
            streams: self.streams.clone(),
            journal: self.journal.clone(),
            web_chat: self.web_chat.clone(),
            store: self.store.clone(),
            clock: self.spec.clock,
        }
    }
}
