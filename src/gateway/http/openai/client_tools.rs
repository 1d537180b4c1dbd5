//! Tools that come with a request: checked, and what of them the model is offered. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use telson_actors::client_tool::ClientTool;

use super::fields::{field, text};
use crate::gateway::http::error::HttpError;

/// Most tools of a request.
const TOOLS_MAX: usize = 128;
/// Longest descriptions and schemas of a request together, in bytes: they are stored with its
/// message and sent with each question.
const TOOLS_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a tool, as every provider takes it.
const NAME_MAX: usize = 64;

/// How an endpoint writes tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What describes a function lies in `function`.
    Nested,
    /// It lies beside `type`.
    Flat,
}

/// What the model is offered of the client's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) tools: Vec<ClientTool>,
    /// Whether they stand instead of the agent's own: the request allows only these.
    pub(super) is_alone: bool,
    /// Whether one has to be called.
    pub(super) must_call: bool,
}

/// Reads `tools` and `tool_choice`.
pub(super) fn read(body: &Value, form: Form) -> Result<Offer, HttpError> {
    for older in ["functions", "function_call"] {
        if field(body, older).is_some_and(|it| *it != json!([]) && *it != json!("none")) {
            let text = format!("{older} is the older form of tools and not read here; use tools");
            return Err(HttpError::param(older, text).code("unsupported_tools"));
        }
    }
    let tools = match field(body, "tools") {
        None => Vec::new(),
        Some(Value::Array(all)) if all.len() <= TOOLS_MAX => tools(all, form)?,
        Some(Value::Array(_)) => return Err(wrong("tools", format!("at most {TOOLS_MAX} tools"))),
        Some(_) => return Err(wrong("tools", "tools must be a list".into())),
    };
    choose(tools, field(body, "tool_choice"), form)
}

fn tools(all: &[Value], form: Form) -> Result<Vec<ClientTool>, HttpError> {
    let (mut tools, mut names, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for (index, value) in all.iter().enumerate() {
        let place = format!("tools[{index}]");
        let tool = tool(value, form, &place)?;
        if !names.insert(tool.name.clone()) {
            let text = format!("{place}: there is another tool {:?}; names are unique", tool.name);
            return Err(wrong(&place, text).code("duplicate_tool"));
        }
        bytes += tool.description.len() + tool.parameters.len();
        if bytes > TOOLS_BYTES_MAX {
            let text = format!("the tools are described in more than {TOOLS_BYTES_MAX} bytes");
            return Err(wrong("tools", text));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn tool(value: &Value, form: Form, place: &str) -> Result<ClientTool, HttpError> {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind != "function" {
        let text = format!("{place}: tools of type {kind:?} are not offered here, only functions");
        return Err(wrong(place, text).code("unsupported_tools"));
    }
    let (function, place) = match form {
        Form::Flat => (value, place.to_owned()),
        Form::Nested => (&value["function"], format!("{place}.function")),
    };
    let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_name(name) {
        let text = format!(
            "{place}.name must be 1 to {NAME_MAX} letters, digits, \"_\" or \"-\", not {name:?}"
        );
        return Err(wrong(&format!("{place}.name"), text));
    }
    let parameters = match field(function, "parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(_) => {
            let text = format!("{place}.parameters must be a JSON schema, an object");
            return Err(wrong(&format!("{place}.parameters"), text));
        }
    };
    let description = match field(function, "description") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => {
            let text = format!("{place}.description must be a text");
            return Err(wrong(&format!("{place}.description"), text));
        }
    };
    Ok(ClientTool { name: name.to_owned(), description, parameters: parameters.to_string() })
}

fn is_name(name: &str) -> bool {
    let is_right = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_right)
}

/// What is left of the tools by `tool_choice`.
fn choose(tools: Vec<ClientTool>, choice: Option<&Value>, form: Form) -> Result<Offer, HttpError> {
    let choice = match choice {
        None => "auto",
        Some(Value::String(word)) => word.as_str(),
        Some(object @ Value::Object(_)) => return one_of(tools, object, form),
        Some(_) => return Err(unknown_choice()),
    };
    match choice {
        "none" => Ok(Offer::default()),
        "auto" => Ok(Offer { tools, is_alone: false, must_call: false }),
        "required" if tools.is_empty() => Err(no_such("a tool")),
        "required" => Ok(Offer { tools, is_alone: true, must_call: true }),
        _ => Err(unknown_choice()),
    }
}

/// One function, or a list of allowed ones.
fn one_of(tools: Vec<ClientTool>, choice: &Value, form: Form) -> Result<Offer, HttpError> {
    let inner = |value: &'_ Value, name: &str| match form {
        Form::Flat => value.clone(),
        Form::Nested => value[name].clone(),
    };
    let (allowed, must_call) = match choice.get("type").and_then(Value::as_str) {
        Some("function") => (vec![inner(choice, "function")], true),
        Some("allowed_tools") => {
            let allowed = inner(choice, "allowed_tools");
            let must_call = match allowed.get("mode").and_then(Value::as_str) {
                Some("auto") => false,
                Some("required") => true,
                _ => return Err(unknown_choice()),
            };
            let all = allowed["tools"].as_array().ok_or_else(unknown_choice)?;
            (all.iter().map(|tool| inner(tool, "function")).collect(), must_call)
        }
        _ => return Err(unknown_choice()),
    };
    let mut names = BTreeSet::new();
    for tool in &allowed {
        let name = text(tool, "name")?.ok_or_else(unknown_choice)?;
        if !tools.iter().any(|tool| tool.name == name) {
            return Err(no_such(&format!("the tool {name:?}")));
        }
        names.insert(name);
    }
    if names.is_empty() {
        return Err(unknown_choice());
    }
    let tools = tools.into_iter().filter(|tool| names.contains(&tool.name)).collect();
    Ok(Offer { tools, is_alone: true, must_call })
}

/// Refuses names that the agent's own tools bear: a model could not tell them apart.
pub(super) fn refuse_clashes(offer: &Offer, own: &BTreeSet<String>) -> Result<(), HttpError> {
    match offer.tools.iter().find(|tool| own.contains(&tool.name)) {
        None => Ok(()),
        Some(tool) => {
            let text = format!(
                "the agent has a tool {:?} of its own; give the client's another name",
                tool.name
            );
            Err(wrong("tools", text).code("tool_name_conflict"))
        }
    }
}

fn no_such(what: &str) -> HttpError {
    wrong("tool_choice", format!("tool_choice wants {what} that is not among the tools"))
}

fn unknown_choice() -> HttpError {
    let text = "tool_choice must be \"auto\", \"none\", \"required\", a function, or allowed_tools";
    wrong("tool_choice", text.into())
}

fn wrong(param: &str, text: String) -> HttpError {
    HttpError::param(param, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(names: &[&str]) -> Value {
        let tool = |name: &&str| json!({"type": "function", "function": {"name": name}});
        names.iter().map(tool).collect()
    }

    fn offered(offer: &Offer) -> (Vec<&str>, bool, bool) {
        let names = offer.tools.iter().map(|tool| tool.name.as_str()).collect();
        (names, offer.is_alone, offer.must_call)
    }

    #[test]
    fn a_request_says_what_the_model_may_call() {
        let with = |choice: Value| {
            let body = json!({"tools": nested(&["a", "b"]), "tool_choice": choice});
            read(&body, Form::Nested).unwrap()
        };
        assert_eq!(offered(&with(Value::Null)), (vec!["a", "b"], false, false));
        assert_eq!(offered(&with(json!("auto"))), (vec!["a", "b"], false, false));
        assert_eq!(offered(&with(json!("none"))), (vec![], false, false));
        assert_eq!(offered(&with(json!("required"))), (vec!["a", "b"], true, true));
        let one = json!({"type": "function", "function": {"name": "b"}});
        assert_eq!(offered(&with(one.clone())), (vec!["b"], true, true));
        let some =
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one]}});
        assert_eq!(offered(&with(some)), (vec!["b"], true, false));
        let flat = json!({
            "tools": [{"type": "function", "name": "a", "parameters": {"type": "object"}}],
            "tool_choice": {"type": "function", "name": "a"},
        });
        let flat = read(&flat, Form::Flat).unwrap();
        assert_eq!(offered(&flat), (vec!["a"], true, true));
        assert_eq!(flat.tools[0].parameters, r#"{"type":"object"}"#);
    }

    #[test]
    fn what_is_wrong_with_tools_is_said_by_its_place() {
        let many: Vec<String> = (0..=TOOLS_MAX).map(|nth| format!("t{nth}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let tool = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
        let bad = [
            (json!({"tools": {}}), "tools"),
            (json!({"tools": nested(&many)}), "tools"),
            (json!({"tools": [{"type": "web_search"}]}), "tools[0]"),
            (json!({"tools": nested(&["a", "b", "a"])}), "tools[2]"),
            (json!({"tools": nested(&[""])}), "tools[0].function.name"),
            (json!({"tools": nested(&["no spaces"])}), "tools[0].function.name"),
            (tool(json!({"name": "a", "parameters": []})), "tools[0].function.parameters"),
            (tool(json!({"name": "a", "description": 1})), "tools[0].function.description"),
            (tool(json!({"name": "a", "description": "x".repeat(TOOLS_BYTES_MAX)})), "tools"),
            (json!({"functions": [{}]}), "functions"),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (json!({"tools": nested(&["a"]), "tool_choice": "perhaps"}), "tool_choice"),
            (json!({"tools": nested(&["a"]), "tool_choice": 1}), "tool_choice"),
            (
                json!({
                    "tools": nested(&["a"]),
                    "tool_choice": {"type": "function", "function": {"name": "b"}},
                }),
                "tool_choice",
            ),
        ];
        for (body, param) in bad {
            let refused = read(&body, Form::Nested).unwrap_err();
            assert_eq!((refused.status, refused.param.as_deref()), (400, Some(param)), "{body}");
        }
        let offer = read(&json!({"tools": nested(&["exec"])}), Form::Nested).unwrap();
        let clash = refuse_clashes(&offer, &["exec".to_owned()].into()).unwrap_err();
        assert_eq!(clash.code, Some("tool_name_conflict"));
        assert_eq!(refuse_clashes(&offer, &["read".to_owned()].into()), Ok(()));
    }
}
