//! The service is killed while people write, and nothing is lost or doubled.

use serde_json::json;
use telson::demo::imsg_double::ledger::Step;

use crate::kit::{Process, until};
use crate::scene::{Friend, Scene};
use crate::wire::Wire;

/// The moment a life ends: at the nth event of the service's own stream, or step in the
/// double's record, since that life began.
#[derive(Clone, Copy)]
enum End {
    Event(&'static str, usize),
    Send(Step, usize),
}

const ENDS: [End; 10] = [
    End::Send(Step::Accepted, 1),
    End::Event("admitted", 1),
    End::Send(Step::Effect, 1),
    End::Event("answered", 2),
    End::Send(Step::Accepted, 3),
    End::Send(Step::Replied, 2),
    End::Event("sending", 3),
    End::Send(Step::Effect, 4),
    End::Event("delivered", 2),
    End::Send(Step::Accepted, 2),
];

/// Sending again after three seconds without a row is exact with this double, and not in general:
/// what it has taken up it finishes within milliseconds, also when the service behind it is gone,
/// and then it ends with its input. So a row that is not there after three seconds never comes. A
/// real Messages can be minutes late, therefore people start with `park` and 300 seconds.
#[test]
fn ten_kills_under_load_lose_and_double_nothing() {
    let scene = Scene::with(
        &json!({"unsettledSends": "resend", "unsettledAfterSeconds": 3}),
        &[("IMSG_RANDOM", "noguid=0.1,unknown=0.1,die_after=0.05"), ("IMSG_SEED", "7")],
    );
    let mut people = People::new(&scene);
    for end in ENDS {
        let service = scene.start();
        let moment = Moment::of(&scene, end);
        // Some write while it runs, some while nobody listens.
        people.write(5);
        moment.wait(&scene);
        service.kill();
        people.write(3);
    }
    let service = scene.start();
    let expected = people.expected();
    scene.answered(&expected);
    service.idle();
    assert_eq!(service.call("status", &json!({}))["deadLetters"], 0);
    let cut = expected.iter().filter(|(_, mark)| was_cut_off(&service, mark)).count();
    assert!(cut >= 3, "the kills hit only {cut} sends under way: they prove little");
    service.stop();
    scene.assert_only(&expected);
}

/// Whether a send was under way when its service was killed: the next one settled it, and no life
/// of the service has seen how it ended.
fn was_cut_off(service: &Process, mark: &str) -> bool {
    let notes = service.journey(mark)["entries"][0]["notes"].to_string();
    notes.contains("settled") && !notes.contains("in doubt")
}

/// Waits for the end of one life.
enum Moment {
    Event(Wire, &'static str, usize),
    Send(Step, usize),
}

impl Moment {
    fn of(scene: &Scene, end: End) -> Self {
        match end {
            End::Event(name, count) => {
                let mut wire = Wire::connect(&scene.home.socket()).unwrap();
                wire.call("telson.events.subscribe", &json!({})).unwrap();
                Self::Event(wire, name, count)
            }
            End::Send(step, count) => Self::Send(step, scene.ledger(step).len() + count),
        }
    }

    fn wait(self, scene: &Scene) {
        match self {
            Self::Event(mut wire, name, mut count) => {
                while count > 0 {
                    let frame = wire.hear().expect("the stream goes on");
                    count -= usize::from(frame["payload"]["event"] == name);
                }
            }
            Self::Send(step, count) => {
                until("the double's record shows it", || {
                    (scene.ledger(step).len() >= count).then_some(())
                });
            }
        }
    }
}

/// Several people, each in their own chat.
struct People<'a> {
    scene: &'a Scene,
    friends: Vec<Friend>,
    written: Vec<String>,
}

impl<'a> People<'a> {
    fn new(scene: &'a Scene) -> Self {
        let friend = |number| scene.friend(&format!("+1555010000{number}"));
        Self { scene, friends: (0..6).map(friend).collect(), written: Vec::new() }
    }

    fn friend_of(&self, number: usize) -> &Friend {
        &self.friends[number % self.friends.len()]
    }

    fn write(&mut self, count: usize) {
        for number in self.written.len()..self.written.len() + count {
            let mark = format!("[#{number}]");
            self.scene.say(self.friend_of(number), &mark);
            self.written.push(mark);
        }
    }

    fn expected(&self) -> Vec<(&Friend, &str)> {
        let marks = self.written.iter().enumerate();
        marks.map(|(number, mark)| (self.friend_of(number), mark.as_str())).collect()
    }
}
