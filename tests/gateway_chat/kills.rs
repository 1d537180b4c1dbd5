//! Killed with SIGKILL in the middle of a burst, ten times in a row: what was acknowledged is
//! answered once. The model's ledger and the conversations tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, count, message};
use crate::kit::Process;
use crate::rig::{Rig, client};

const KILLS: usize = 10;
const BURST: usize = 100;
/// Sessions of a burst: two messages each.
const SESSIONS: usize = 50;

/// One message of a burst.
#[derive(Debug, Clone)]
struct Sent {
    session: String,
    mark: String,
    key: String,
}

fn burst(kill: usize) -> Vec<Sent> {
    let one = |number: usize| Sent {
        session: format!("agent:main:burst-{}", number % SESSIONS),
        mark: format!("[#{kill}.{number}]"),
        key: format!("key-{kill}-{number}"),
    };
    (0..BURST).map(one).collect()
}

/// What a client knows of a burst when the service is gone.
struct Heard {
    acknowledged: BTreeSet<String>,
    ended: BTreeSet<String>,
}

/// Sends a burst and kills the service once so many are acknowledged.
async fn send_and_kill(service: Process, burst: &[Sent], acknowledged: usize) -> Heard {
    let mut client = client(&service).await;
    let mut keys = BTreeMap::new();
    for sent in burst {
        let params = message(&sent.session, &format!("hello {}", sent.mark), &sent.key);
        keys.insert(client.ask("chat.send", params).await, sent.key.clone());
    }
    client.hear_answers(acknowledged).await;
    service.kill();
    let answers = client.last_words().await;
    let is_ok = |answer: &&Value| answer["ok"] == true;
    let ids = answers.iter().filter(is_ok).filter_map(|answer| answer["id"].as_str());
    let acknowledged = ids.filter_map(|id| keys.get(id).cloned()).collect();
    let ended = burst.iter().map(|sent| sent.key.clone());
    let ended = ended.filter(|key| client.was_told_the_end_of(key)).collect();
    Heard { acknowledged, ended }
}

async fn resend(client: &mut Client, burst: &[Sent]) {
    for sent in burst {
        let text = format!("hello {}", sent.mark);
        let answer = client.send(&sent.session, &text, &sent.key).await;
        if answer["status"] != "ok" {
            assert_eq!(client.ending(&sent.key).await["state"], "final", "{sent:?}");
        }
    }
}

/// Each of `due` is answered once, and nothing twice.
async fn audit(client: &mut Client, sent: &[Sent], due: &BTreeSet<String>) {
    let mut histories: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for Sent { session, mark, key } in sent {
        if !histories.contains_key(session.as_str()) {
            histories.insert(session, client.history(session).await);
        }
        let history = &histories[session.as_str()];
        let (said, answered) = (count(history, "user", mark), count(history, "assistant", mark));
        assert_eq!(said, answered, "{key} is said and answered as often");
        assert!(answered <= 1, "{key} is answered {answered} times");
        assert!(answered == 1 || !due.contains(key), "{key} was acknowledged and has no answer");
    }
}

/// The model was asked about each message that was acknowledged, and again only if its answer may
/// have been cut off by the kill.
fn audit_ledger(rig: &Rig, burst: &[Sent], due: &BTreeSet<String>, ended: &BTreeSet<String>) {
    for Sent { mark, key, .. } in burst {
        let asked = rig.model.asked(mark);
        assert!(asked >= 1 || !due.contains(key), "{key} was acknowledged and never asked");
        let max = if ended.contains(key) { 1 } else { 2 };
        assert!(asked <= max, "{key} was asked {asked} times");
    }
}

async fn ten_kills(resends: bool) {
    let rig = Rig::new();
    rig.model.pause(Duration::from_millis(5));
    let (mut all, mut due) = (Vec::new(), BTreeSet::new());
    for kill in 0..KILLS {
        let burst = burst(kill);
        let heard = send_and_kill(rig.start(), &burst, 5 + kill * 10).await;
        assert!(heard.acknowledged.len() >= 5 + kill * 10);
        let service = rig.start();
        let mut client = client(&service).await;
        due.extend(heard.acknowledged);
        if resends {
            resend(&mut client, &burst).await;
            due.extend(burst.iter().map(|sent| sent.key.clone()));
        }
        service.idle();
        audit_ledger(&rig, &burst, &due, &heard.ended);
        all.extend(burst);
        audit(&mut client, &all, &due).await;
        service.stop();
    }
}

// D1, D2, D5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_answered_once_though_nobody_sends_it_again() {
    ten_kills(false).await;
}

// D1, D2, D5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_under_its_old_key_is_answered_once() {
    ten_kills(true).await;
}
