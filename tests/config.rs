//! The promises of the config file, through the public API.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

#[path = "config/any_text.rs"]
mod any_text;
#[path = "config/files.rs"]
mod files;
#[path = "config/incumbent.rs"]
mod incumbent;
#[path = "config/refused.rs"]
mod refused;

use telson::config::{
    Config, DmPolicy, DmScope, GroupPolicy, ImessageService, Loaded, QueueMode, UnsettledSends,
    parse, schema,
};

fn no_env(_: &str) -> Option<String> {
    None
}

fn loaded(text: &str) -> Loaded {
    parse(text, "c.json", &no_env).unwrap()
}

fn refused(text: &str) -> String {
    parse(text, "c.json", &no_env).unwrap_err().to_string()
}

#[test]
fn an_empty_object_means_defaults() {
    let config = loaded("{}").config;
    assert_eq!(config, Config::default());
    assert_eq!((config.messages.queue.mode, config.messages.queue.cap), (QueueMode::Steer, 20));
    assert_eq!(
        (config.session.dm_scope, config.session.main_key.as_str()),
        (DmScope::Main, "main")
    );
    assert_eq!(config.default_agent().as_deref(), Some("main"));
    assert!(config.imessage_accounts().is_empty());
}

#[test]
fn an_empty_channel_block_is_one_account_with_defaults() {
    let config = loaded("{channels: {imessage: {}, defaults: {groupPolicy: 'disabled'}}}").config;
    let accounts = config.imessage_accounts();
    let account = &accounts["default"];
    assert_eq!(accounts.len(), 1);
    assert!(account.enabled && !account.include_attachments && account.allow_from.is_empty());
    assert_eq!((account.cli_path.as_str(), account.text_chunk_limit), ("imsg", 4000));
    assert_eq!((account.service, account.region.as_str()), (ImessageService::Auto, "US"));
    assert_eq!(
        (account.dm_policy, account.group_policy),
        (DmPolicy::Pairing, GroupPolicy::Disabled)
    );
    assert_eq!(account.unsettled_sends, UnsettledSends::Park);
    assert_eq!(config.imessage_default_account(), Some("default"));
}

#[test]
fn turning_the_channel_off_turns_off_every_account() {
    let config =
        loaded("{channels: {imessage: {enabled: false, accounts: {a: {enabled: true}}}}}").config;
    assert!(!config.imessage_accounts()["a"].enabled);
}

#[test]
fn several_agents_without_a_default_have_none() {
    let config = loaded("{agents: {entries: {a: {}, b: {}}}}").config;
    assert_eq!(config.default_agent(), None);
}

#[test]
fn of_two_equal_keys_the_later_wins() {
    assert_eq!(
        loaded("{messages: {queue: {cap: 1}}, messages: {queue: {cap: 2}}}")
            .config
            .messages
            .queue
            .cap,
        2
    );
}

#[test]
fn variables_are_replaced_and_missing_ones_named() {
    let env = |name: &str| (name == "WHO").then(|| "bot".to_owned());
    let loaded = parse(
        "{ messages: { responsePrefix: '${WHO} $${WHO} ${GONE}' },\n  models: { providers: { a: { baseUrl: 'http://h', apiKey: '${KEY}', headers: { h: { source: 'env', id: 'HEADER' } } } } } }",
        "c.json",
        &env,
    )
    .unwrap();
    assert_eq!(loaded.config.messages.response_prefix.as_deref(), Some("bot ${WHO} ${GONE}"));
    let provider = &loaded.config.models.providers["a"];
    let key = provider.api_key.as_ref().unwrap();
    assert_eq!((key.expose(), key.missing_variable()), (None, Some("KEY")));
    assert_eq!(
        loaded.warnings,
        [
            "c.json:1:31: messages.responsePrefix: the environment variable GONE is not set\n  help: set it, or write $${GONE} if that very text is meant",
            "c.json:2:60: models.providers.a.apiKey: the environment variable KEY is not set\n  help: set it, or write $${KEY} if that very text is meant",
            "c.json:2:84: models.providers.a.headers.h: the environment variable HEADER is not set",
        ]
    );
}

#[test]
fn doubtful_settings_are_remarked_on() {
    let loaded = loaded("{ channels: { imessage: { allowFrom: [+15550001111] } } }");
    assert_eq!(
        loaded.warnings,
        [
            "c.json:1:39: channels.imessage.allowFrom[0]: 15550001111 looks like a phone number without its leading +\n  help: write \"+15550001111\""
        ]
    );
}

#[test]
fn the_schema_names_every_section() {
    let schema = schema();
    for section in [
        "agents",
        "bindings",
        "session",
        "messages",
        "channels",
        "models",
        "accessGroups",
        "logging",
    ] {
        assert!(schema["properties"][section]["description"].is_string(), "{section}");
    }
}
