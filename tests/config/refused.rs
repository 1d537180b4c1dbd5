//! What is refused, and the exact words a person reads then.

use telson::config::parse;

use super::{no_env, refused};

/// Bad documents and exactly what is said about them.
const REFUSED: &[(&str, &str)] = &[
    (
        "{\n  channels: {\n    imessage: { dmpolicy: 'open' },\n  },\n}",
        "c.json:3:17: channels.imessage.dmpolicy: unknown key\n  help: did you mean `dmPolicy`?",
    ),
    ("{ chanels: {} }", "c.json:1:3: chanels: unknown key\n  help: did you mean `channels`?"),
    ("{ gatway: {} }", "c.json:1:3: gatway: unknown key\n  help: did you mean `gateway`?"),
    (
        "{ channels: { imesage: {} } }",
        "c.json:1:15: channels.imesage: unknown key\n  help: did you mean `imessage`?",
    ),
    (
        "{ logging: { verbosity: 3 } }",
        "c.json:1:14: logging.verbosity: unknown key\n  help: known here: json, level",
    ),
    (
        "{ session: { dmScope: 'per-peers' } }",
        "c.json:1:23: session.dmScope: \"per-peers\" is not one of main, per-peer, per-channel-peer, per-account-channel-peer\n  help: did you mean \"per-peer\"?",
    ),
    (
        "{ messages: { queue: { mode: 3 } } }",
        "c.json:1:30: messages.queue.mode: expected one of steer, followup, collect, interrupt, found a number",
    ),
    (
        "{ messages: { queue: { cap: '20' } } }",
        "c.json:1:29: messages.queue.cap: expected a whole number from 0 to 4294967295, found a string\n  help: write it without quotation marks",
    ),
    (
        "{ messages: { queue: { cap: -2 } } }",
        "c.json:1:29: messages.queue.cap: expected a whole number from 0 to 4294967295",
    ),
    ("{ messages: { queue: { cap: 0 } } }", "c.json:1:29: messages.queue.cap: must be at least 1"),
    (
        "{ channels: { imessage: { enabled: 'yes' } } }",
        "c.json:1:36: channels.imessage.enabled: expected true or false, found a string\n  help: write it without quotation marks",
    ),
    (
        "{ channels: { imessage: { allowFrom: '*' } } }",
        "c.json:1:38: channels.imessage.allowFrom: expected a list, found a string\n  help: put it between [ and ]",
    ),
    (
        "{ session: null }",
        "c.json:1:12: session: expected an object, found null\n  help: leave the key out to use its default",
    ),
    ("[]", "c.json:1:1: expected an object, found a list"),
    (
        "{ bindings: [{ match: { channel: 'imessage' } }] }",
        "c.json:1:14: bindings[0].agentId: this setting is required",
    ),
    (
        "{ models: { providers: { a: { baseUrl: 'http://h', apiKey: 12345 } } } }",
        "c.json:1:60: models.providers.a.apiKey: expected a string or {source: \"env\", id: \"NAME\"} or {source: \"file\", id: \"/pointer\"}, found a number",
    ),
    (
        "{ agents: { defaults: { model: 'opnai/gpt-5' } } }",
        "c.json:1:32: agents.defaults.model: there is no provider \"opnai\"\n  help: did you mean \"openai\"?",
    ),
    (
        "{ channels: { imessage: { dmPolicy: 'open', allowFrom: ['+1'] } } }",
        "c.json:1:37: channels.imessage.dmPolicy: \"open\" lets everybody in and needs \"*\" in `allowFrom` to say so\n  help: add \"*\" to `allowFrom`, or use \"pairing\"",
    ),
    (
        "{ messages: { groupChat: { mentionPatterns: ['ok', '('] } } }",
        "c.json:1:52: messages.groupChat.mentionPatterns[1]: not a usable pattern: unclosed group",
    ),
    ("{\n  a: 1\n  b: 2\n}", "c.json:3:3: expected `,` here"),
    (
        "{\n  a: 'x",
        "c.json:2:8: the file ends inside a string\n  help: add the missing quotation mark",
    ),
    (
        "{ agents: { list: [ {}",
        "c.json:1:19: the file ends inside the list that starts here\n  help: add the missing `]`",
    ),
    ("{ a: yes }", "c.json:1:6: expected a value here\n  help: text needs quotation marks"),
    (
        "{ a-b: 1 }",
        "c.json:1:4: expected `:` after the key\n  help: keys with other signs than letters need quotation marks",
    ),
    ("{} {}", "c.json:1:4: there is more text after the end of the config"),
    ("", "c.json: the file is empty\n  help: write {} to use the default of every setting"),
    (
        "{ $include: './x.json' }",
        "c.json:1:13: $include: only a config that is a file can include others",
    ),
];

#[test]
fn what_is_refused_is_explained() {
    for (text, expected) in REFUSED {
        assert_eq!(refused(text), *expected, "{text}");
    }
}

#[test]
fn all_problems_are_reported_in_reading_order() {
    let error = parse(
        "{\n  session: { dmscope: 'main', mainKey: 5 },\n  gatway: {},\n  bindings: [{}, { agentId: 7, match: {} }],\n}",
        "c.json",
        &no_env,
    )
    .unwrap_err();
    let found: Vec<_> = error
        .problems
        .iter()
        .map(|problem| (problem.line.unwrap(), problem.column.unwrap(), problem.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (2, 14, "session.dmscope"),
            (2, 40, "session.mainKey"),
            (3, 3, "gatway"),
            (4, 14, "bindings[0].agentId"),
            (4, 29, "bindings[1].agentId"),
            (4, 32, "bindings[1].match.channel"),
        ]
    );
}

#[test]
fn where_no_position_can_be_told_none_is_given() {
    // The position finder does not decode escapes in unquoted keys.
    let error = parse("{ \\u0067atway: {} }", "c.json", &no_env).unwrap_err();
    assert_eq!(error.to_string(), "c.json: gatway: unknown key\n  help: did you mean `gateway`?");
    assert_eq!((error.problems[0].line, error.problems[0].column), (None, None));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for open in ["[", "{a:", "[{a:"] {
        let error = refused(&open.repeat(20_000));
        assert!(error.ends_with("more than 128 brackets are open here"), "{error}");
    }
}

#[test]
fn of_very_many_problems_the_first_are_shown_and_the_rest_counted() {
    let binding = "{ agentId: 'x', match: { channel: 'imessage' } },";
    let error = refused(&format!("{{ bindings: [{}] }}", binding.repeat(1_000)));
    assert_eq!(error.matches("there is no agent").count(), 100);
    assert!(error.ends_with("c.json: 900 more like these are not shown"), "{error}");
}
