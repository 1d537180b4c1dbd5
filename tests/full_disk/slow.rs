//! A disk that takes its time: later, not less.

use std::time::Duration;

use crate::kit::until;
use crate::rig::Rig;

/// How long somebody may wait for an answer about the service, however slow its disk: far more
/// than is normal, because test machines are busy.
const ANSWER_MAX: Duration = Duration::from_secs(15);

#[test]
fn on_a_slow_disk_everything_is_answered_and_everybody_who_asks() {
    let mut rig = Rig::new();
    rig.set("slow", "200");
    let mut service = rig.start();
    for number in 1..=12 {
        rig.stage.write(number).unwrap();
    }
    let mut asked = 0;
    until("every message is answered", || {
        let begun = tokio::time::Instant::now();
        let status = rig.status();
        assert!(begun.elapsed() < ANSWER_MAX, "status took {:?}", begun.elapsed());
        assert_eq!(status["state"], "running");
        asked += 1;
        let audit = rig.stage.audit().unwrap();
        assert_eq!(audit.doubled, [], "answered twice");
        audit.lost.is_empty().then_some(())
    });
    assert!(asked > 1, "it was asked while it worked");
    service.assert_runs();
    service.stop();
    assert!(rig.stage.audit().unwrap().exactly_once());
}
