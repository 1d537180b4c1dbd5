//! What a person is told about damage.

use serde::{Deserialize, Serialize};
use serde_json::json;
use telson::actors::store::{Batch, CompactionPolicy, Key, Record, Space, Store};

use super::kit::Home;

/// Not what an inbox record looks like.
#[derive(Serialize, Deserialize)]
struct Junk(String);

impl Record for Junk {
    const VERSION: u8 = 1;
}

fn key() -> Key {
    Key::of(Space::Inbox).text("agent:main:main").number(7)
}

fn open(home: &Home) -> Store {
    Store::open(&home.state_dir(), CompactionPolicy::default()).unwrap()
}

#[tokio::test]
async fn a_damaged_message_is_counted_listed_shown_and_dropped() {
    let home = Home::new();
    std::fs::create_dir_all(home.state_dir()).unwrap();
    let store = open(&home);
    let mut batch = Batch::new();
    batch.put(key(), &Junk("what anna had to say".into())).tally(Space::Inbox, 1);
    store.commit(batch).await.unwrap();
    drop(store);
    let service = home.start(&[]);
    service.idle();
    assert!(service.log().contains("damaged record was set aside"), "{}", service.log());
    let (_, status) = home.ask_json(&["status"]);
    assert_eq!((&status["damaged"], &status["load"]["waiting"]), (&json!(1), &json!(0)));
    let text = home.ask(&["status"]).out;
    assert!(text.contains("damaged records 1: see `telson dead-letters list`"), "{text}");
    let list = home.ask(&["dead-letters", "list"]).out;
    assert!(list.contains("message") && list.contains("what anna had to say"), "{list}");
    let (_, list) = home.ask_json(&["dead-letters", "list"]);
    let id = list["damaged"][0]["id"].as_str().unwrap().to_owned();
    let (code, shown) = home.ask_json(&["dead-letters", "show", &id]);
    assert_eq!((code, &shown["kind"]), (0, &json!("message")));
    assert!(shown["where"].as_str().unwrap().contains("agent:main:main"), "{shown}");
    assert!(!shown["bytes"].as_str().unwrap().is_empty());
    let why = home.ask(&["why", "anna", "had"]);
    assert!(why.out.contains("damaged"), "{why:?}");
    assert_ne!(home.ask(&["dead-letters", "replay", &id]).code, 0);
    assert_eq!(home.ask(&["dead-letters", "drop", &id]).code, 0);
    assert_ne!(home.ask(&["dead-letters", "drop", &id]).code, 0);
    assert_eq!(home.ask_json(&["status"]).1["damaged"], 0);
    service.stop();
}

#[tokio::test]
async fn a_damaged_database_is_refused_with_what_to_do_and_goes_on_when_told() {
    let home = Home::new();
    std::fs::create_dir_all(home.state_dir()).unwrap();
    let log = home.state_dir().join("store/generation-1/db");
    drop(open(&home));
    let older = std::fs::read(&log).unwrap();
    drop(open(&home));
    std::fs::write(&log, older).unwrap();
    let refused = home.ask(&["run"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    for part in ["is damaged", "commits are missing", "backup", "--accept-loss"] {
        assert!(refused.err.contains(part), "{part:?} is in {}", refused.err);
    }
    assert!(!refused.err.contains("panicked"), "{}", refused.err);
    let service = home.start(&["--accept-loss"]);
    let text = home.ask(&["status"]).out;
    assert!(text.contains("damaged files kept:") && text.contains("damaged-1"), "{text}");
    service.stop();
    home.start(&[]).stop();
}
