//! One call of a tool by hand.

use serde_json::json;

use super::kit::Home;
use super::wire::Wire;

#[test]
fn a_key_is_not_used_up_by_a_call_that_was_not_made() {
    let home = Home::new();
    home.configure("{tools: {profile: 'full', deny: ['web_fetch']}}");
    let service = home.start(&[]);
    let call = |params: &serde_json::Value| {
        Wire::connect(&home.socket()).unwrap().call("tools.invoke", params)
    };
    let write = |tool: &str, text: &str| {
        let args = json!({"path": "note.txt", "content": text});
        json!({"name": tool, "args": args, "idempotencyKey": "k"})
    };
    for tool in ["web_fetch", "no_such_tool", "web_fetch"] {
        let answer = call(&write(tool, "no")).unwrap();
        assert_eq!(answer["error"]["code"], "not_found", "{tool}: {answer}");
    }
    let answer = call(&write("write", "yes")).unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    let error = call(&write("write", "again")).unwrap_err();
    assert!(error.contains("was made before"), "{error}");
    let note = home.state_dir().join("workspace/note.txt");
    assert_eq!(std::fs::read_to_string(note).unwrap(), "yes");
    service.stop();
}
