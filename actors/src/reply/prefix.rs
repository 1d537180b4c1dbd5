//! What is put before an answer, with its variables filled in.
//!
//! | variable | becomes |
//! |---|---|
//! | `{model}` | the model without its provider |
//! | `{modelFull}` | `provider/model` |
//! | `{provider}` | the provider |
//! | `{identity.name}`, `{identityName}` | the name the agent answers to |
//!
//! Case does not matter in a variable. One that has no value here stays as it is written, so that
//! it is seen. The prefix `auto` is `[{identity.name}]`, and nothing for an agent without a name.

/// The variables a prefix may hold.
pub const VARIABLES: [&str; 5] =
    ["model", "modelFull", "provider", "identity.name", "identityName"];

/// Who says something: what the variables of a prefix are filled from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaker {
    /// The model that answered, as `provider/model`.
    pub model: String,
    /// The name the agent answers to.
    pub name: Option<String>,
}

/// The text behind its prefix. A text that begins with the prefix already gets no second one.
pub fn prefixed(template: &str, speaker: &Speaker, text: &str) -> String {
    let prefix = rendered(template, speaker);
    if prefix.trim().is_empty() || text.starts_with(&prefix) {
        return text.to_owned();
    }
    let space = if prefix.ends_with(char::is_whitespace) { "" } else { " " };
    format!("{prefix}{space}{text}")
}

fn rendered(template: &str, speaker: &Speaker) -> String {
    if template.trim().eq_ignore_ascii_case("auto") {
        return speaker.name.as_ref().map(|name| format!("[{name}]")).unwrap_or_default();
    }
    let mut rendered = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        rendered.push_str(before);
        let variable = behind.split_once('}');
        let filled = variable.and_then(|(name, after)| Some((value(name, speaker)?, after)));
        let (text, after) = filled.unwrap_or(("{", behind));
        rendered.push_str(text);
        rest = after;
    }
    rendered + rest
}

fn value<'a>(variable: &str, speaker: &'a Speaker) -> Option<&'a str> {
    let (provider, model) = speaker.model.split_once('/').unwrap_or(("", &speaker.model));
    let value = match variable.to_ascii_lowercase().as_str() {
        "model" => model,
        "modelfull" => speaker.model.as_str(),
        "provider" => provider,
        "identity.name" | "identityname" => speaker.name.as_deref()?,
        _ => return None,
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn molty() -> Speaker {
        Speaker { model: "openrouter/meta/llama".into(), name: Some("Molty".into()) }
    }

    #[test]
    fn variables_are_filled_in_whatever_their_case() {
        let of = |template| prefixed(template, &molty(), "hi");
        assert_eq!(of("[{model}]"), "[meta/llama] hi");
        assert_eq!(of("{MODELFULL}:"), "openrouter/meta/llama: hi");
        assert_eq!(of("{provider} {identity.name} {identityName}"), "openrouter Molty Molty hi");
        assert_eq!(of("auto"), "[Molty] hi");
        assert_eq!(of("[molty] "), "[molty] hi");
    }

    #[test]
    fn what_has_no_value_stays_visible() {
        let nobody = Speaker::default();
        assert_eq!(prefixed("{model} {what} {", &molty(), "hi"), "meta/llama {what} { hi");
        assert_eq!(prefixed("{{model}", &molty(), "hi"), "{meta/llama hi");
        assert_eq!(prefixed("{identity.name}", &nobody, "hi"), "{identity.name} hi");
        assert_eq!(prefixed("auto", &nobody, "hi"), "hi");
        assert_eq!(prefixed("", &molty(), "hi"), "hi");
    }

    proptest! {
        #[test]
        fn the_text_stays_whole_and_gets_one_prefix(template in ".{0,20}", text in ".{0,20}") {
            let once = prefixed(&template, &molty(), &text);
            prop_assert!(once.ends_with(&text));
            prop_assert_eq!(prefixed(&template, &molty(), &once), once);
        }
    }
}
