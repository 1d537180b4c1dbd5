//! Describing accounts: who may speak there, how their lanes queue and how they write.

use std::sync::Arc;

use telson_actors::channel::imessage::ImessageConfig;
use telson_actors::channel::preview::PreviewLimits;
use telson_actors::channel::webhook::{self, WebhookSettings, Webhooks};
use telson_actors::channel::{Channel, Receiver};
use telson_actors::message::AccountKey;
use telson_actors::outbox::UnsettledSends;
use telson_actors::router::Access;
use telson_actors::session::lane::LaneSettings;

use super::Builder;
use crate::engine::spec::AccountSpec;

impl Builder {
    /// Adds an account of a channel of your own, and who may speak on it.
    #[must_use]
    pub fn channel(
        mut self,
        account: AccountKey,
        channel: Arc<dyn Channel>,
        receiver: Option<Arc<dyn Receiver>>,
        access: Access,
    ) -> Self {
        self.rules.access.insert(account.clone(), access);
        let unsettled = UnsettledSends::default();
        self.accounts.push(AccountSpec::Own { account, channel, receiver, unsettled });
        self
    }

    /// Adds an iMessage account, and who may speak on it.
    #[must_use]
    pub fn imessage(
        mut self,
        config: ImessageConfig,
        unsettled: UnsettledSends,
        access: Access,
    ) -> Self {
        self.rules.access.insert(config.account.clone(), access);
        self.accounts.push(AccountSpec::Imessage(Box::new(config), unsettled));
        self
    }

    /// Adds web chat: conversations with whoever is connected to the gateway, and the way in for what
    /// has no platform of its own.
    #[must_use]
    pub fn web_chat(mut self) -> Self {
        if !self.accounts.iter().any(|account| matches!(account, AccountSpec::WebChat)) {
            self.accounts.push(AccountSpec::WebChat);
        }
        self
    }

    /// Sets what becomes of sends nobody can settle, on an account added before.
    #[must_use]
    pub fn unsettled(mut self, of: &AccountKey, sends: UnsettledSends) -> Self {
        for added in &mut self.accounts {
            match added {
                AccountSpec::Own { account, unsettled, .. } if account == of => *unsettled = sends,
                AccountSpec::Imessage(config, unsettled) if config.account == *of => {
                    *unsettled = sends;
                }
                AccountSpec::Own { .. } | AccountSpec::Imessage(..) | AccountSpec::WebChat => {}
            }
        }
        self
    }

    /// Sets what is put before every answer on an account. It may name `{model}`, `{modelFull}`,
    /// `{provider}` and `{identity.name}`.
    #[must_use]
    pub fn prefix(mut self, account: AccountKey, prefix: &str) -> Self {
        self.prefixes.insert(account, prefix.to_owned());
        self
    }

    /// Lets an account send what an agent says between its tool calls as messages of their own,
    /// instead of its last answer only.
    #[must_use]
    pub fn blocks(mut self, account: AccountKey) -> Self {
        self.blocks.insert(account);
        self
    }

    /// Lets an account send each paragraph of an answer as a message of its own.
    #[must_use]
    pub fn paragraphs(mut self, account: AccountKey) -> Self {
        self.paragraphs.insert(account);
        self
    }

    /// Shows answers of an account while they are made, where its channel can. An account that sends
    /// blocks shows none: the same text would be seen twice.
    #[must_use]
    pub fn previews(mut self, account: AccountKey, limits: PreviewLimits) -> Self {
        self.previews.insert(account, limits);
        self
    }

    /// Sets how lanes queue: for one channel, or for all with an empty name.
    #[must_use]
    pub fn lane(mut self, channel: &str, settings: LaneSettings) -> Self {
        self.lanes.insert(channel.to_owned(), settings);
        self
    }

    /// Posts what jobs come to, where they say so, to the addresses of programs.
    #[must_use]
    pub fn webhooks(mut self, settings: WebhookSettings, unsettled: UnsettledSends) -> Self {
        let account = webhook::account();
        let channel = Arc::new(Webhooks::new(settings));
        self.accounts.push(AccountSpec::Own { account, channel, receiver: None, unsettled });
        self
    }
}
