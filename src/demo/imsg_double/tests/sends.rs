//! Every mode that does not end the process, and how a send finds its chat and mode.

use super::*;

/// Mode, rows that reach the chat, error code (0: success, `None`: no answer), receipt named.
type Course = (Mode, usize, Option<i64>, bool);

#[test]
fn every_mode_has_its_effect_and_its_answer() {
    let courses: [Course; 12] = [
        (Mode::Ok, 1, Some(0), true),
        (Mode::NoGuid, 1, Some(0), false),
        (Mode::Slow, 1, Some(0), true),
        (Mode::Hang, 0, None, false),
        (Mode::HangAfter, 1, None, false),
        (Mode::Unknown, 1, Some(-32001), false),
        (Mode::UnknownNot, 0, Some(-32001), false),
        (Mode::NotStarted, 0, Some(-32603), false),
        (Mode::Denied, 0, Some(-32603), false),
        (Mode::Fail22, 0, Some(0), true),
        (Mode::Double, 2, Some(0), true),
        (Mode::Ghost, 0, Some(0), false),
    ];
    for (mode, rows, expected, named) in courses {
        let f = fixture();
        let text = format!("hello [[imsg:{}]]", mode.name());
        let replies = f.send(&text);
        let reply = replies.first();
        assert_eq!(reply.map(code), expected, "{mode:?}: {replies:?}");
        assert_eq!(f.sent("hello"), rows, "{mode:?}");
        let guid = reply.and_then(|reply| reply["result"]["guid"].as_str());
        assert_eq!(guid.is_some(), named, "{mode:?}");
        let success = expected == Some(0);
        let touched = !matches!(mode.script().0, modes::Effect::None);
        let mut steps = vec![Step::Accepted];
        steps.extend(touched.then_some(Step::Effect));
        steps.extend(success.then_some(Step::Replied));
        assert_eq!(f.steps(), steps, "{mode:?}");
    }
}

#[test]
fn errors_say_whether_a_retry_is_safe() {
    let f = fixture();
    let data = |text: &str| f.send(text)[0]["error"]["data"].clone();
    let unknown = data("[[imsg:unknown]]");
    assert_eq!(unknown["retry_safe"], false);
    assert_eq!(unknown["disposition"], "may_have_completed");
    let safe = data("[[imsg:not_started]]");
    assert_eq!((&safe["retry_safe"], &safe["disposition"]), (&json!(true), &json!("not_started")));
    let denied = &f.send("[[imsg:denied]]")[0]["error"];
    assert!(denied["message"].as_str().unwrap().contains("(-1743)"));
    let lost = f.call("send", json!({"to": "+19995550000", "text": "x"}));
    assert!(lost["error"]["message"].as_str().unwrap().contains("(-1728)"));
    assert_eq!(lost["error"]["data"]["disposition"], "not_started");
}

#[test]
fn a_chat_is_found_by_each_of_its_names() {
    let f = fixture();
    for target in [
        json!({"chat_id": f.chat.rowid}),
        json!({"chat_guid": f.chat.guid}),
        json!({"chat_identifier": f.chat.identifier}),
        json!({"to": f.chat.identifier}),
    ] {
        let mut params = target.clone();
        params["text"] = json!(format!("to {target}"));
        let reply = f.call("send", params);
        assert_eq!(reply["result"]["chat_guid"], f.chat.guid, "{reply}");
        assert_eq!(f.sent(&format!("to {target}")), 1);
    }
    let both = json!({"to": f.chat.identifier, "chat_id": 1, "text": "x"});
    assert_eq!(code(&f.call("send", both)), -32602);
    assert_eq!(code(&f.call("send", json!({"text": "x"}))), -32602);
    assert_eq!(code(&f.call("send", json!({"chat_id": 1}))), -32602);
}

#[test]
fn a_restarted_double_goes_on_where_it_was() {
    let f = fixture();
    let odds = "not_started=0.5";
    let run = |count: u64, ledger: &str| -> Vec<i64> {
        let options = Options {
            odds: odds.parse().unwrap(),
            seed: Some(11),
            ledger: Some(f.folder.path().join(ledger)),
            ..f.options()
        };
        let send = json!({"chat_id": 1, "text": "x"});
        let lines: String = (0..count).map(|id| request(id, "send", send.clone())).collect();
        f.serve(options, &lines).iter().map(code).collect()
    };
    let whole = run(12, "whole");
    let parts: Vec<_> = (0..4).flat_map(|_| run(3, "parts")).collect();
    assert_eq!(whole, parts);
    assert!(whole.contains(&0) && whole.contains(&-32603));
}

#[test]
fn a_text_can_fail_first_and_succeed_later() {
    let f = fixture();
    let text = "try me [[imsg:unknown_not,not_started,ok]]";
    let codes: Vec<_> = (0..4).map(|_| code(&f.send(text)[0])).collect();
    assert_eq!(codes, [-32001, -32603, 0, 0]);
    assert_eq!(f.sent("try me"), 2);
}

#[test]
fn a_file_goes_out_beside_its_text() {
    let f = fixture();
    let params = json!({"chat_id": 1, "text": "see", "file": "/tmp/report.pdf"});
    assert_eq!(code(&f.call("send", params)), 0);
    assert_eq!(code(&f.call("send", json!({"chat_id": 1, "file": "/tmp/b.pdf"}))), 0);
    assert_eq!((f.sent("see"), f.sent("\u{fffc}")), (1, 2));
}
