//! Little space left: what was admitted is answered, the rest waits on its platform.

use std::path::Path;

use serde_json::Value;

use crate::kit::{Process, until};
use crate::rig::Rig;

const MIB: u64 = 1024 * 1024;

fn set_free(rig: &Rig, mebibytes: u64) {
    rig.set("free", &(mebibytes * MIB).to_string());
}

/// What `telson status` says to the operator.
fn notice(status: &Value) -> Option<String> {
    status["notices"].get(0).and_then(Value::as_str).map(str::to_owned)
}

fn load(service: &Process, what: &str) -> u64 {
    service.call("status", &serde_json::json!({}))["load"][what].as_u64().unwrap()
}

// L1, D2: the disk is a queue with a limit as well.
#[test]
fn a_nearly_full_disk_stops_admission_and_nothing_else() {
    let mut rig = Rig::new();
    rig.home.set_env("IMSG_DELAY", Path::new("1.5"));
    let mut service = rig.start();
    let pid = service.pid();
    rig.stage.write(1).unwrap();
    until("a reply is on its way", || (load(&service, "undelivered") == 1).then_some(()));
    set_free(&rig, 12);
    let said = until("the operator is told", || notice(&rig.status()));
    assert!(said.contains("12 MiB free") && said.contains("remove something"), "{said}");
    assert_eq!(service.note("disk"), Some(said.clone()));
    let text = rig.ask(&["status"]).out;
    assert!(text.contains(&format!("notice: {said}")), "{text}");
    rig.stage.write(2).unwrap();
    rig.stage.write(3).unwrap();
    until("the channel says why it waits", || service.note("watcher").filter(|note| *note == said));
    until("what was admitted is answered", || (rig.answers() == 1).then_some(()));
    until("nothing is under way", || (load(&service, "undelivered") == 0).then_some(()));
    // A little more is not enough: it would flutter around one mark.
    set_free(&rig, 80);
    until("the service looks again", || {
        (rig.status()["disk"]["free_bytes"] == 80 * MIB).then_some(())
    });
    assert!(notice(&rig.status()).is_some());
    for number in [2, 3] {
        assert!(service.journey(&format!("[#{number}]")).is_null(), "it was admitted");
    }
    assert_eq!(
        service.log().matches("the disk is nearly full").count(),
        2,
        "once by each who waits"
    );
    rig.clear("free");
    rig.answered();
    service.assert_runs();
    assert_eq!((notice(&rig.status()), rig.status()["pid"].clone()), (None, pid.into()));
    assert!(service.log().contains("there is space on the disk again"), "{}", service.log());
    service.stop();
    assert!(rig.stage.audit().unwrap().exactly_once());
}

// The disk is full to the last byte while replies are on their way: the space set aside is what
// they need, and nothing else gets it.
#[test]
fn the_reserve_is_for_what_was_admitted() {
    let mut rig = Rig::new();
    rig.home.set_env("IMSG_DELAY", Path::new("1.5"));
    let mut service = rig.start();
    let reserve = rig.stage.state_dir().join("store/reserve");
    until("space is set aside", || reserve.exists().then_some(()));
    for number in 1..=3 {
        rig.stage.write(number).unwrap();
    }
    until("three replies are on their way", || (load(&service, "undelivered") == 3).then_some(()));
    set_free(&rig, 0);
    rig.set("full", &format!("0 - {}", reserve.display()));
    until("the disk is full", || (!rig.failed().is_empty()).then_some(()));
    rig.stage.write(4).unwrap();
    until("what was admitted is answered", || (rig.answers() == 3).then_some(()));
    until("and recorded", || {
        let status = rig.ask(&["--json", "status"]);
        (status.code == 0 && status.json()["load"]["undelivered"] == 0).then_some(())
    });
    until("the rest waits", || service.try_node("watcher")?["note"].as_str().map(str::to_owned));
    assert!(!reserve.exists(), "it is used");
    assert_eq!(rig.answers(), 3);
    service.assert_runs();
    rig.clear("full");
    rig.clear("free");
    rig.answered();
    until("space is set aside again", || reserve.exists().then_some(()));
    service.stop();
    assert!(rig.stage.audit().unwrap().exactly_once());
}

// A quota ends before the free blocks do: then the space that can't be set aside tells.
#[test]
fn a_quota_stops_admission_as_well() {
    let mut rig = Rig::new();
    rig.set("full", "0 reserve");
    let service = rig.start();
    let said = until("the operator is told", || notice(&rig.status()));
    assert!(said.contains("no space can be set aside") && said.contains("quota"), "{said}");
    rig.stage.write(1).unwrap();
    until("the message waits", || service.note("watcher").filter(|note| *note == said));
    assert_eq!(rig.answers(), 0);
    rig.clear("full");
    rig.answered();
    assert_eq!(notice(&rig.status()), None);
    service.stop();
}
