//! What models see besides text, and whose files they are shown.

use std::collections::{BTreeSet, HashMap};

use telson_actors::context::Inputs;
use telson_actors::message::AccountKey;

use crate::config::{Config, ModelInput, ProviderApi};

/// Built-in providers whose models see pictures and documents unless something else is said. Of a
/// server somebody has set up nobody knows.
const SEEING: [&str; 3] = ["anthropic", "google", "openai"];

/// What each model sees, by `provider/model`; `provider/*` for those nothing is said of.
pub(super) fn inputs(config: &Config) -> HashMap<String, Inputs> {
    let mut inputs = HashMap::new();
    let usual = [ModelInput::Image, ModelInput::Document];
    for id in SEEING {
        let provider = config.models.providers.get(id);
        let api = provider.map_or_else(|| default_api(id), |provider| provider.api_of(id));
        let elsewhere = provider.is_some_and(|provider| provider.base_url.is_some());
        if !elsewhere {
            inputs.insert(format!("{id}/*"), of(&usual, api));
        }
    }
    for (id, provider) in &config.models.providers {
        for model in &provider.models {
            if let Some(input) = &model.input {
                inputs.insert(format!("{id}/{}", model.id), of(input, provider.api_of(id)));
            }
        }
    }
    inputs
}

fn default_api(id: &str) -> ProviderApi {
    crate::config::Provider::default().api_of(id)
}

fn of(input: &[ModelInput], api: ProviderApi) -> Inputs {
    input.iter().fold(Inputs::default(), |inputs, input| match (input, api) {
        (ModelInput::Image, ProviderApi::GoogleGenerativeAi) => inputs.images().phone_images(),
        (ModelInput::Image, _) => inputs.images(),
        // Ollama's format has a place for pictures only.
        (ModelInput::Document, api) if api != ProviderApi::Ollama => inputs.documents(),
        _ => inputs,
    })
}

/// Accounts whose files stay on this machine.
pub(super) fn hidden(config: &Config) -> BTreeSet<AccountKey> {
    let accounts = config.imessage_accounts().into_iter();
    let hidden = accounts.filter(|(_, account)| !account.include_attachments);
    hidden.map(|(id, _)| AccountKey::new("imessage", id)).collect()
}
