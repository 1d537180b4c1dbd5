//! Settings that are understood and have no effect yet: said once, so that nobody relies on them.

use crate::config::{BindingKind, Config};

pub(super) fn list(config: &Config) -> Vec<String> {
    let accounts = config.imessage_accounts();
    let idle = [
        (
            "bindings of type acp",
            config.bindings.iter().any(|binding| binding.kind == BindingKind::Acp),
        ),
        ("broadcast", config.broadcast.is_some()),
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
