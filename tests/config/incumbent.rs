//! A config file as a user of the incumbent has it loads as it is.

use telson::config::{
    BindingKind, DmPolicy, DmScope, Loaded, LogLevel, PlatformId, ProviderApi, QueueDrop,
    QueueMode, UnsettledSends, parse,
};

const FILE: &str = include_str!("incumbent.json5");

fn incumbent() -> Loaded {
    let env = |name: &str| match name {
        "ANTHROPIC_API_KEY" => Some("sk-ant".to_owned()),
        "GATEWAY_TOKEN" => Some("tok-0123456789abcdefghijkl".to_owned()),
        _ => None,
    };
    parse(FILE, "openclaw.json", &env).unwrap()
}

#[test]
fn an_incumbents_file_loads_and_says_what_it_does_not_get() {
    let loaded = incumbent();
    assert_eq!(
        loaded.warnings,
        [
            "openclaw.json: known but not used yet: agents.defaults.sandbox, \
          agents.list[0].identity.theme, bindings[1].acp, \
          channels.imessage.sendReadReceipts, channels.telegram, \
          logging.consoleStyle, logging.redactSensitive, messages.ackReaction, messages.inbound, \
          models.mode, \
          models.providers.local.models[0].reasoning, \
          session.reset",
            "openclaw.json:88:26: tools.exec.mode: nobody can be asked for an approval yet; until then no command is run"
        ]
    );
}

#[test]
fn an_incumbents_agents_bindings_and_messages_are_read() {
    let config = incumbent().config;
    let agents = config.agents_map();
    assert_eq!(agents.keys().collect::<Vec<_>>(), ["home", "work"]);
    let home = agents["home"].model.clone().unwrap();
    assert_eq!(home.primary.as_deref(), Some("anthropic/claude-sonnet"));
    assert_eq!(home.fallbacks, Some(vec!["local/qwen".to_owned()]));
    assert_eq!(agents["work"].model.clone().unwrap().fallbacks, None);
    assert_eq!(config.default_agent().as_deref(), Some("home"));
    assert_eq!(config.agents.defaults.heartbeat.every.as_deref(), Some("30m"));
    assert_eq!(config.mention_patterns("home"), [r"@?molty\b"]);

    let routes: Vec<usize> = config.routes().map(|(index, _)| index).collect();
    assert_eq!(routes, [0]);
    assert_eq!(config.bindings[0].session.dm_scope, Some(DmScope::PerPeer));
    assert_eq!(config.bindings[1].kind, BindingKind::Acp);

    let queue = &config.messages.queue;
    assert_eq!((queue.mode, queue.cap, queue.drop), (QueueMode::Collect, 10, QueueDrop::Old));
    assert_eq!(queue.by_channel["imessage"], QueueMode::Steer);
    assert_eq!(queue.debounce_ms_by_channel["imessage"], 800);
    assert_eq!(config.session.dm_scope, DmScope::PerChannelPeer);
    assert_eq!(config.logging.level, LogLevel::Debug);
}

#[test]
fn an_incumbents_accounts_override_the_channel() {
    let config = incumbent().config;
    let accounts = config.imessage_accounts();
    let office = &accounts["office"];
    assert_eq!(office.cli_path, "/usr/local/bin/imsg");
    assert_eq!(office.db_path.as_deref(), Some("/Users/office/chat.db"));
    assert_eq!(office.dm_policy, DmPolicy::Allowlist);
    assert_eq!(office.groups.keys().collect::<Vec<_>>(), ["7"], "an account's groups replace");
    assert!(office.group_allow_from.is_empty(), "an empty list is not an absent one");
    assert!(office.enabled && office.include_attachments);
    assert_eq!(office.response_prefix.as_deref(), Some("[molty] "));

    let spare = &accounts["spare"];
    assert!(!spare.enabled);
    assert_eq!(spare.unsettled_sends, UnsettledSends::Resend);
    assert_eq!(spare.group_allow_from, [PlatformId::new("*")], "falls back to its own allowFrom");
    assert_eq!(spare.groups.len(), 2);
    assert_eq!(config.imessage_default_account(), Some("office"));
}

#[test]
fn an_incumbents_secrets_are_filled_and_hidden() {
    let config = incumbent().config;
    let local = &config.models.providers["local"];
    let anthropic = &config.models.providers["anthropic"];
    assert_eq!(local.api_key.as_ref().and_then(|key| key.expose()), Some("sk-local"));
    assert_eq!(anthropic.api_key.as_ref().and_then(|key| key.expose()), Some("sk-ant"));
    assert_eq!(anthropic.api_of("anthropic"), ProviderApi::AnthropicMessages);
    let token = config.gateway.auth.token.as_ref().and_then(|token| token.expose());
    assert_eq!(token, Some("tok-0123456789abcdefghijkl"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("sk-local") && !shown.contains("sk-ant"), "{shown}");
    assert!(!shown.contains("tok-0123"), "{shown}");
}
