//! Settings that are understood and have no effect yet: said once, so that nobody relies on them.

use crate::config::{BindingKind, Config};

pub(super) fn list(config: &Config) -> Vec<String> {
    let agents = config.agents_map();
    let accounts = config.imessage_accounts();
    let any_agent = |has: &dyn Fn(&crate::config::AgentEntry) -> bool| agents.values().any(has);
    let idle = [
        (
            "agents.*.model.fallbacks",
            any_agent(&|agent| {
                agent
                    .model
                    .as_ref()
                    .and_then(|model| model.fallbacks.as_ref())
                    .is_some_and(|list| !list.is_empty())
            }),
        ),
        (
            "bindings of type acp",
            config.bindings.iter().any(|binding| binding.kind == BindingKind::Acp),
        ),
        ("broadcast", config.broadcast.is_some()),
        (
            "channels.imessage.includeAttachments",
            accounts.values().any(|account| account.include_attachments),
        ),
        (
            "channels.imessage.groups.*.systemPrompt",
            accounts
                .values()
                .any(|account| account.groups.values().any(|group| group.system_prompt.is_some())),
        ),
    ];
    let mut warnings: Vec<String> = Vec::new();
    let names: Vec<&str> = idle.iter().filter(|(_, used)| *used).map(|(name, _)| *name).collect();
    if !names.is_empty() {
        warnings.push(format!("understood, but without effect yet: {}", names.join(", ")));
    }
    warnings
}
