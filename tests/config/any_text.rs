//! Whatever is in the file, reading it ends in a config or an explanation.

use proptest::prelude::*;
use telson::config::parse;

use super::no_env;

/// Text made of what configs are made of, so that it gets further than noise would.
fn config_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "'",
        "\"",
        "\\",
        "//",
        "/*",
        "*/",
        "$include",
        "agents",
        "list",
        "channels",
        "imessage",
        "allowFrom",
        "groups",
        "models",
        "providers",
        "apiKey",
        "source",
        "env",
        "vars",
        "bindings",
        "match",
        "broadcast",
        "messages",
        "queue",
        "cap",
        "null",
        "true",
        "1",
        "-2.5",
        "1e999",
        "0x",
        "'*'",
        "'${A}'",
        "'$${A}'",
        "Infinity",
        "\u{feff}",
        "\u{2028}",
        "é",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

/// A well-formed value of any shape, written with the keys of a config.
fn any_value() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "agents",
        "defaults",
        "entries",
        "list",
        "model",
        "bindings",
        "match",
        "channels",
        "imessage",
        "accounts",
        "allowFrom",
        "dmPolicy",
        "groups",
        "models",
        "providers",
        "apiKey",
        "headers",
        "session",
        "messages",
        "queue",
        "cap",
        "env",
        "vars",
        "broadcast",
        "accessGroups",
        "meta",
        "A",
    ]);
    let leaf = prop::sample::select(vec![
        "1", "-1", "2.5", "1e300", "NaN", "null", "true", "'x'", "'${A}'", "'open'", "'*'",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let entry = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}: {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::vec(entry, 0..6)
                .prop_map(|entries| format!("{{{}}}", entries.join(",\n"))),
        ]
    })
}

/// What holds of any outcome.
fn check_outcome(text: &str) -> Result<(), TestCaseError> {
    match parse(text, "c.json", &|name| (name == "A").then(|| "value".to_owned())) {
        Ok(loaded) => prop_assert!(loaded.from_file.is_none()),
        Err(error) => {
            prop_assert!(!error.problems.is_empty());
            for problem in &error.problems {
                prop_assert!(!problem.message.is_empty());
                prop_assert_eq!(problem.line.is_some(), problem.column.is_some());
                if let Some(line) = problem.line {
                    let lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}']).count();
                    prop_assert!(line <= lines);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in ".{0,200}") {
        check_outcome(&text)?;
    }

    #[test]
    fn no_text_like_a_config_makes_reading_panic(text in config_like()) {
        check_outcome(&text)?;
    }

    #[test]
    fn no_value_makes_reading_panic(text in any_value()) {
        check_outcome(&text)?;
    }

    #[test]
    fn a_problem_points_at_what_it_names(depth in 0_usize..6, key in "zz[a-z]{1,8}") {
        let text = format!("{{{}session: {{ {key}: 1 }} }}", "\n  ".repeat(depth));
        let error = parse(&text, "c.json", &no_env).unwrap_err();
        let problem = &error.problems[0];
        let line = text.lines().nth(problem.line.unwrap() - 1).unwrap();
        prop_assert!(line[problem.column.unwrap() - 1..].starts_with(&key));
    }
}
