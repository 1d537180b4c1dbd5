//! What is refused, and what the reading methods show.

use super::*;

#[test]
fn the_newer_program_is_strict() {
    let f = fixture();
    assert_eq!(code(&f.call("chats.list", json!({"chatId": 1}))), -32602);
    assert_eq!(code(&f.call("chats.list", json!({"limit": "5"}))), -32602);
    assert_eq!(code(&f.call("chats.list", json!({"limit": 0}))), -32602);
    assert_eq!(code(&f.call("status", json!([]))), -32602);
    assert_eq!(code(&f.call("initialize", json!({"protocol_version": 2}))), -32602);
    assert_eq!(code(&f.call("messages.after", json!({}))), -32602);
    assert_eq!(code(&f.call("messages.after", json!({"since_rowid": -1}))), -32602);
    let unknown = f.call("typing", json!({}));
    assert_eq!((code(&unknown), &unknown["error"]["data"]), (-32601, &json!("typing")));
    let wish = f.send("[[imsg:fine]]");
    assert_eq!(code(&wish[0]), -32602);
}

#[test]
fn broken_frames_are_answered_and_notifications_are_not() {
    let f = fixture();
    let lines = "{oops\n\n[1]\n{\"id\":7,\"method\":\"status\"}\n{\"jsonrpc\":\"2.0\",\"id\":8}\n\
                 {\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}\n\
                 {\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n";
    let replies = f.serve(f.options(), lines);
    let answered: Vec<_> = replies.iter().map(|reply| (reply["id"].clone(), code(reply))).collect();
    let null = Value::Null;
    let expected = [(null.clone(), -32700), (null, -32600), (json!(7), -32600), (json!(8), -32600)];
    assert_eq!(answered, expected);
}

#[test]
fn a_missing_database_is_said_to_be_unavailable() {
    let f = fixture();
    let nowhere = f.folder.path().join("none.db");
    let lines = [
        request(1, "status", json!({})),
        request(2, "chats.list", json!({})),
        request(3, "send", json!({"chat_id": 1, "text": "x"})),
    ]
    .concat();
    let mut output = Vec::new();
    serve(&nowhere, Options::default(), lines.as_bytes(), &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    let replies: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies[0]["result"]["database"]["ready"], false);
    assert_eq!((code(&replies[1]), code(&replies[2])), (-32002, -32002));
    assert!(!nowhere.exists());
}

#[test]
fn reads_show_the_database() {
    let f = fixture();
    let status = f.call("initialize", json!({"protocol_version": 1}));
    assert_eq!(status["result"]["database"]["ready"], true);
    assert!(status["result"]["methods"].as_array().unwrap().contains(&json!("messages.after")));
    let chats = f.call("chats.list", json!({"limit": 5}));
    assert_eq!(chats["result"]["chats"][0]["guid"], f.chat.guid);
    assert_eq!(chats["result"]["chats"][0]["participants"], json!([f.chat.identifier]));

    let guid = f.send("status of this")[0]["result"]["guid"].clone();
    let state = f.call("message.send_status", json!({"guid": guid}));
    assert_eq!(state["result"]["send_state"], "delivered");
    let failed = f.send("[[imsg:fail22]]")[0]["result"]["guid"].clone();
    let state = f.call("message.send_status", json!({"guid": failed}));
    assert_eq!(state["result"]["send_state"], "failed");
    assert_eq!(state["result"]["status_fields"]["error"], 22);
    let missing = f.call("message.send_status", json!({"guid": "none"}));
    assert_eq!(missing["result"]["send_state"], "pending");
    assert_eq!(missing["result"]["status_fields"], Value::Null);
}

#[test]
fn pages_of_messages_follow_the_row_ids() {
    let f = fixture();
    let db = MessagesDb::open(&f.db_path()).unwrap();
    let alice = db.person("+15551230001", Service::IMessage).unwrap();
    let first = db.inbound(&f.chat, &alice, "one", Shape::Plain).unwrap();
    db.inbound(&f.chat, &alice, "one", Shape::Tapback(first.clone())).unwrap();
    db.inbound(&f.chat, &alice, "two", Shape::BlobOnly).unwrap();
    let page = |params| f.call("messages.after", params)["result"].clone();

    let start = page(json!({"since_rowid": 0, "limit": 2}));
    assert_eq!(start["messages"].as_array().unwrap().len(), 1);
    assert_eq!(start["messages"][0]["text"], "one");
    assert_eq!(start["messages"][0]["sender"], "+15551230001");
    assert_eq!((&start["next_rowid"], &start["has_more"]), (&json!(2), &json!(true)));
    let rest = page(json!({"since_rowid": 2, "limit": 2, "chat_id": f.chat.rowid}));
    assert_eq!(rest["messages"][0]["text"], "two");
    assert_eq!((&rest["next_rowid"], &rest["has_more"]), (&json!(3), &json!(false)));
    let reactions = page(json!({"since_rowid": 1, "include_reactions": true}));
    assert_eq!(reactions["messages"][0]["reaction_type"], "love");
    assert_eq!(reactions["messages"][0]["reacted_to_guid"], first.guid);
    let empty = page(json!({"since_rowid": 99}));
    assert_eq!(empty["next_rowid"], 99);
}

#[test]
fn the_older_program_is_lenient_and_knows_less() {
    let f = fixture();
    let options = Options { profile: Profile::V0_9, ..f.options() };
    let lines = [
        request(1, "status", json!({})),
        request(2, "messages.after", json!({"since_rowid": 0})),
        "{\"id\":3,\"method\":\"chats.list\",\"params\":{\"colour\":\"blue\"}}\n".to_owned(),
        request(4, "send", json!({"chat_id": f.chat.rowid, "text": "old", "colour": "blue"})),
        "{\"method\":\"nothing\"}\n".to_owned(),
    ]
    .concat();
    let replies = f.serve(options, &lines);
    let by_id = |id: Value| code(replies.iter().find(|reply| reply["id"] == id).unwrap());
    assert_eq!((by_id(json!(1)), by_id(json!(2))), (-32601, -32601));
    assert_eq!((by_id(json!(3)), by_id(json!(4)), by_id(Value::Null)), (0, 0, -32601));
    assert_eq!(f.sent("old"), 1);
}
