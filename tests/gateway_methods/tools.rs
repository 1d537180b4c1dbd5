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
    assert!(error.contains("used for another call"), "{error}");
    let note = home.state_dir().join("workspace/note.txt");
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "yes");

    // The same call again is told the same, in whatever life, and not made.
    std::fs::write(&note, "changed since").unwrap();
    assert_eq!(call(&write("write", "yes")).unwrap(), answer);
    service.kill();
    let service = home.start(&[]);
    assert_eq!(call(&write("write", "yes")).unwrap(), answer);
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "changed since");
    let read = |path: &str| json!({"name": "read", "args": {"path": path}, "idempotencyKey": "r"});
    let failed = call(&read("no-such-file")).unwrap();
    assert_eq!(failed["ok"], false, "{failed}");
    std::fs::write(note.with_file_name("no-such-file"), "there now").unwrap();
    assert_eq!(call(&read("no-such-file")).unwrap(), failed, "a failure is an answer, too");
    let long = json!({"name": "read", "args": {"path": "x"}, "idempotencyKey": "k".repeat(513)});
    let refused = call(&long).unwrap_err();
    assert!(format!("{refused:?}").contains("idempotencyKey"), "{refused:?}");
    service.stop();
}
