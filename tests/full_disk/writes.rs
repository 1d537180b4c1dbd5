//! No space at a write of the store: nothing acknowledged is lost, and the same process goes on.

use crate::kit::{Process, until};
use crate::rig::{Rig, watching};

/// No thread may end in a panic, in sight or not.
fn assert_no_panic(service: &Process) {
    let log = service.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Waits until the service has found the disk full and says that it waits for space.
fn waits(rig: &Rig) {
    until("a write fails", || (!rig.failed().is_empty()).then_some(()));
    until("it says what it waits for", || {
        let status = rig.ask(&["--json", "status"]);
        let waits = status.code == 0 && status.json()["state"] == "waiting";
        (waits && status.out.contains("the disk is full")).then_some(())
    });
}

/// There is space again: the process that was there goes on, answers everything and takes more.
fn goes_on(rig: &mut Rig, mut service: Process) {
    let pid = service.pid();
    rig.clear("full");
    rig.answered();
    service.assert_runs();
    rig.stage.write(1000).unwrap();
    rig.answered();
    assert_eq!(rig.status()["pid"], pid);
    assert_no_panic(&service);
    service.stop();
    assert!(rig.stage.audit().unwrap().exactly_once());
}

/// The disk is full from the write after the next `writes` on, while four messages come.
fn survives(writes: u32) {
    let mut rig = Rig::new();
    let service = rig.start();
    rig.set("full", &writes.to_string());
    for number in 1..=4 {
        rig.stage.write(number).unwrap();
    }
    waits(&rig);
    goes_on(&mut rig, service);
}

// D1, D2: admission, the end of a turn, the attempt, its receipt: whichever write comes first.
#[test]
fn no_space_for_an_admission() {
    [0, 1, 2].into_iter().for_each(survives);
}

#[test]
fn no_space_for_an_answer() {
    [3, 4, 5, 6].into_iter().for_each(survives);
}

#[test]
fn no_space_for_a_delivery() {
    [8, 10, 12, 15].into_iter().for_each(survives);
}

// Long texts fill the buffers of the database, which writes those in threads of its own.
#[test]
fn no_space_for_what_the_database_writes_behind_our_back() {
    for (writes, late) in [(6, "0"), (14, "300"), (25, "100")] {
        let mut rig = Rig::new();
        let service = rig.start();
        rig.set("late", late);
        rig.set("full", &writes.to_string());
        let words = "lorem ipsum ".repeat(4_000);
        for number in 1..=8 {
            rig.stage.write_with(number, &words).unwrap();
        }
        waits(&rig);
        goes_on(&mut rig, service);
    }
}

#[test]
fn no_space_when_it_starts_for_the_first_time() {
    for writes in [0, 1, 2, 3, 5, 7, 9] {
        let mut rig = Rig::new();
        rig.set("full", &writes.to_string());
        let mut service = rig.spawn();
        until("a write fails", || (!rig.failed().is_empty()).then_some(()));
        service.assert_runs();
        rig.clear("full");
        watching(&mut service);
        rig.stage.write(1).unwrap();
        rig.answered();
        assert_no_panic(&service);
        service.stop();
    }
}

#[test]
fn no_space_when_it_starts_after_a_kill() {
    for writes in [0, 1, 2, 3, 4, 6] {
        let mut rig = Rig::new();
        let before = rig.start();
        for number in 1..=3 {
            rig.stage.write(number).unwrap();
        }
        until("one is answered", || (rig.answers() > 0).then_some(()));
        before.kill();
        rig.set("full", &writes.to_string());
        let service = rig.spawn();
        waits(&rig);
        goes_on(&mut rig, service);
    }
}
