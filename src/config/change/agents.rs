//! Adding, changing and removing an agent in the text of a config. Pure.
//!
//! A config may name its agents in a map (`entries`), in a list, or not at all: then there is `main`.

use serde_json::{Map, Value, json};

/// Longest id, in characters.
const ID_CHARS_MAX: usize = 64;
/// The agent there is when none is configured.
const MAIN: &str = "main";
/// The key of files that stand in place of their section.
const INCLUDE: &str = "$include";

/// What is said about an agent; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
pub(crate) struct AgentWish {
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Its folder.
    pub(crate) workspace: Option<String>,
    /// Its model; `None` inside takes its own away.
    pub(crate) model: Option<Option<String>>,
    /// The emoji it is known by; empty takes it away.
    pub(crate) emoji: Option<String>,
}

/// The id of a new agent: its name in small letters, with hyphens for everything else.
pub(crate) fn agent_id(name: &str) -> Option<String> {
    let mut id = String::new();
    for c in name.trim().to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '_' => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    let id: String = id.chars().take(ID_CHARS_MAX).collect();
    let id = id.trim_end_matches('-').to_owned();
    (!id.is_empty()).then_some(id)
}

/// The config with one more agent. Messages go where they went before: what was the only agent, or
/// the one that is there when none is configured, becomes the default one.
///
/// # Errors
/// A sentence.
pub(crate) fn add_agent(config: &Value, id: &str, wish: &AgentWish) -> Result<Value, String> {
    let mut config = config.clone();
    let known = ids(&config)?;
    if known.iter().any(|it| it == id) || (known.is_empty() && id == MAIN) {
        return Err(format!("agent {id:?} already exists"));
    }
    match known.as_slice() {
        [] => {
            entries(&mut config)?.insert(MAIN.into(), json!({"default": true}));
        }
        [sole] => {
            let sole = sole.clone();
            let only = entry(&mut config, &sole)?.ok_or_else(|| gone(&sole))?;
            only.insert("default".into(), json!(true));
        }
        _ => {}
    }
    let mut own = Map::new();
    lay(&mut own, wish)?;
    entries(&mut config)?.insert(id.to_owned(), Value::Object(own));
    Ok(config)
}

/// The config with a changed agent.
///
/// # Errors
/// A sentence.
pub(crate) fn change_agent(config: &Value, id: &str, wish: &AgentWish) -> Result<Value, String> {
    let mut config = config.clone();
    if ids(&config)?.is_empty() && id == MAIN {
        entries(&mut config)?.insert(MAIN.into(), json!({}));
    }
    let own = entry(&mut config, id)?.ok_or_else(|| gone(id))?;
    lay(own, wish)?;
    Ok(config)
}

/// The config without an agent and without what sends messages to it, and how many bindings went.
///
/// # Errors
/// A sentence.
pub(crate) fn remove_agent(config: &Value, id: &str) -> Result<(Value, usize), String> {
    let mut config = config.clone();
    let known = ids(&config)?;
    if known.is_empty() && id == MAIN || known == [id] {
        return Err(format!("agent {id:?} is the only one and can't be deleted"));
    }
    let own = entry(&mut config, id)?.ok_or_else(|| gone(id))?;
    if own.get("default") == Some(&json!(true)) {
        return Err(format!(
            "agent {id:?} is the default one; make another one the default before it is deleted"
        ));
    }
    let agents = config.get_mut("agents").and_then(Value::as_object_mut);
    let agents = agents.ok_or_else(|| gone(id))?;
    if let Some(entries) = agents.get_mut("entries").and_then(Value::as_object_mut) {
        entries.remove(id);
    }
    if let Some(list) = agents.get_mut("list").and_then(Value::as_array_mut) {
        list.retain(|entry| entry["id"] != id);
    }
    let mut removed = 0;
    if let Some(bindings) = config.get_mut("bindings").and_then(Value::as_array_mut) {
        let before = bindings.len();
        bindings.retain(|binding| binding["agentId"] != id);
        removed = before - bindings.len();
    }
    if let Some(peers) = config.get_mut("broadcast").and_then(Value::as_object_mut) {
        for agents in peers.values_mut().filter_map(Value::as_array_mut) {
            agents.retain(|agent| agent != id);
        }
        peers.retain(|_, agents| agents.as_array().is_none_or(|agents| !agents.is_empty()));
    }
    Ok((config, removed))
}

/// The agents that are configured.
fn ids(config: &Value) -> Result<Vec<String>, String> {
    let agents = config.get("agents");
    let included = [Some(config), agents, agents.and_then(|agents| agents.get("entries"))];
    if included.into_iter().flatten().any(|section| section.get(INCLUDE).is_some()) {
        return Err("the agents may come from an included file; change that file".into());
    }
    let part = |key: &str| agents.and_then(|agents| agents.get(key));
    let named = part("entries").and_then(Value::as_object);
    let listed = part("list").and_then(Value::as_array);
    let named = named.into_iter().flat_map(|entries| entries.keys().cloned());
    let listed = listed.into_iter().flatten();
    let listed = listed.filter_map(|entry| entry["id"].as_str().map(str::to_owned));
    Ok(named.chain(listed).collect())
}

/// The map of agents, made if it is not there.
fn entries(config: &mut Value) -> Result<&mut Map<String, Value>, String> {
    let mut section = config;
    for key in ["agents", "entries"] {
        let object = section.as_object_mut().ok_or_else(|| format!("{key}: not an object"))?;
        section = object.entry(key).or_insert_with(|| json!({}));
    }
    section.as_object_mut().ok_or_else(|| "agents.entries: not an object".into())
}

/// What is configured for an agent.
fn entry<'a>(
    config: &'a mut Value,
    id: &str,
) -> Result<Option<&'a mut Map<String, Value>>, String> {
    ids(config)?;
    let Some(agents) = config.get_mut("agents").and_then(Value::as_object_mut) else {
        return Ok(None);
    };
    let is_named = agents.get("entries").is_some_and(|entries| entries.get(id).is_some());
    if is_named {
        let own = agents.get_mut("entries").and_then(|entries| entries.get_mut(id));
        return own.and_then(Value::as_object_mut).map(Some).ok_or_else(|| not_an_object(id));
    }
    let list = agents.get_mut("list").and_then(Value::as_array_mut);
    let own = list.into_iter().flatten().find(|entry| entry["id"] == id);
    own.map(|own| own.as_object_mut().ok_or_else(|| not_an_object(id))).transpose()
}

/// Lays what is wished over what is there.
fn lay(entry: &mut Map<String, Value>, wish: &AgentWish) -> Result<(), String> {
    for (key, value) in [("name", &wish.name), ("workspace", &wish.workspace)] {
        if let Some(value) = value {
            entry.insert(key.into(), json!(value));
        }
    }
    match &wish.model {
        None => {}
        Some(None) => {
            entry.remove("model");
        }
        // What steps in for it stays.
        Some(Some(model)) => match entry.get_mut("model") {
            Some(Value::Object(choice)) => {
                choice.insert("primary".into(), json!(model));
            }
            _ => {
                entry.insert("model".into(), json!(model));
            }
        },
    }
    if let Some(emoji) = &wish.emoji {
        let identity = entry.entry("identity").or_insert_with(|| json!({}));
        let identity = identity.as_object_mut().ok_or("identity: not an object")?;
        if emoji.is_empty() {
            identity.remove("emoji");
        } else {
            identity.insert("emoji".into(), json!(emoji));
        }
    }
    Ok(())
}

fn gone(id: &str) -> String {
    format!("agent {id:?} is not configured; agents.list shows which are")
}

fn not_an_object(id: &str) -> String {
    format!("agent {id:?}: not an object")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str) -> AgentWish {
        AgentWish { name: Some(name.into()), ..AgentWish::default() }
    }

    #[test]
    fn an_id_is_made_of_a_name() {
        for (name, id) in [
            ("Work", Some("work")),
            ("  My  Second Agent! ", Some("my-second-agent")),
            ("a_b-c", Some("a_b-c")),
            ("日本", None),
            ("", None),
        ] {
            assert_eq!(agent_id(name).as_deref(), id, "{name}");
        }
    }

    #[test]
    fn messages_go_where_they_went_before() {
        let first = add_agent(&json!({}), "work", &named("Work")).unwrap();
        let expected = json!({"agents": {"entries": {"main": {"default": true},
            "work": {"name": "Work"}}}});
        assert_eq!(first, expected);
        let listed = json!({"agents": {"list": [{"id": "one", "model": "a/b"}]}});
        let second = add_agent(&listed, "two", &named("Two")).unwrap();
        assert_eq!(second["agents"]["list"][0]["default"], true);
        assert_eq!(second["agents"]["entries"]["two"]["name"], "Two");
        for (config, id) in [(&first, "work"), (&listed, "one"), (&json!({}), "main")] {
            assert!(add_agent(config, id, &named("x")).unwrap_err().contains("already exists"));
        }
    }

    #[test]
    fn what_is_not_said_stays() {
        let config = json!({"agents": {"list": [{"id": "one", "name": "One",
            "model": {"primary": "a/b", "fallbacks": ["c/d"]}}]}});
        let wish = AgentWish {
            model: Some(Some("e/f".into())),
            emoji: Some("x".into()),
            ..AgentWish::default()
        };
        let changed = change_agent(&config, "one", &wish).unwrap();
        let one = &changed["agents"]["list"][0];
        assert_eq!(one["model"], json!({"primary": "e/f", "fallbacks": ["c/d"]}));
        assert_eq!((&one["name"], &one["identity"]["emoji"]), (&json!("One"), &json!("x")));
        let wish = AgentWish { model: Some(None), emoji: Some(String::new()), ..wish };
        let changed = change_agent(&changed, "one", &wish).unwrap();
        assert_eq!(
            changed["agents"]["list"][0],
            json!({"id": "one", "name": "One",
            "identity": {}})
        );
        assert!(change_agent(&config, "two", &wish).unwrap_err().contains("not configured"));
        let implied = change_agent(&json!({}), "main", &named("Me")).unwrap();
        assert_eq!(implied["agents"]["entries"]["main"]["name"], "Me");
    }

    #[test]
    fn an_agent_goes_with_what_sends_messages_to_it() {
        let config = json!({
            "agents": {"entries": {"main": {"default": true}, "work": {}}},
            "bindings": [{"agentId": "work"}, {"agentId": "main"}, {"agentId": "work"}],
            "broadcast": {"strategy": "parallel", "a": ["work"], "b": ["main", "work"]},
        });
        let (left, removed) = remove_agent(&config, "work").unwrap();
        assert_eq!(removed, 2);
        assert_eq!(left["bindings"], json!([{"agentId": "main"}]));
        assert_eq!(left["broadcast"], json!({"strategy": "parallel", "b": ["main"]}));
        assert!(remove_agent(&config, "main").unwrap_err().contains("default"));
        assert!(remove_agent(&left, "main").unwrap_err().contains("only one"));
        assert!(remove_agent(&json!({}), "main").unwrap_err().contains("only one"));
        assert!(remove_agent(&config, "nobody").is_err());
    }

    #[test]
    fn what_another_file_says_is_changed_there() {
        for config in [
            json!({"$include": "./a.json"}),
            json!({"agents": {"$include": "./a.json"}}),
            json!({"agents": {"entries": {"$include": "./a.json"}}}),
        ] {
            assert!(add_agent(&config, "x", &named("x")).unwrap_err().contains("included"));
            assert!(remove_agent(&config, "x").unwrap_err().contains("included"));
        }
    }

    proptest! {
        #[test]
        fn an_id_that_is_made_can_be_one(name in ".{0,100}") {
            if let Some(id) = agent_id(&name) {
                prop_assert!(id.len() <= ID_CHARS_MAX && !id.is_empty());
                prop_assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
            }
        }

        #[test]
        fn any_text_of_agents_is_changed_or_refused(agents in prop_oneof![
            Just(json!(null)), Just(json!(7)), Just(json!([])), Just(json!({"entries": []})),
            Just(json!({"list": {}})), Just(json!({"list": [1]})), Just(json!({"entries": {"a": 1}})),
            Just(json!({"entries": {"a": {"identity": 1}}})),
        ], id in "[ab]") {
            let wish = AgentWish { emoji: Some("x".into()), ..named("x") };
            for config in [json!({"agents": agents}), agents] {
                drop(add_agent(&config, &id, &wish));
                drop(change_agent(&config, &id, &wish));
                drop(remove_agent(&config, &id));
            }
        }
    }
}
