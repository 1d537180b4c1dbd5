//! What happens to the database around the messages: it was there before, it is rotated, it is
//! replaced, it is missing, and nobody reads it for a while.

use std::time::Duration;

use serde_json::json;
use telson::demo::messages_db::{CheckpointMode, MessagesDb, Service, Shape};

use crate::kit::{Home, until};
use crate::scene::{Scene, db_path, write_files};

#[test]
fn what_was_there_before_the_first_start_is_history() {
    let scene = Scene::new();
    let anna = scene.friend("+15550100001");
    for number in 0..30 {
        scene.say(&anna, &format!("[#old {number}]"));
    }
    let service = scene.start();
    scene.say(&anna, "[#1]");
    scene.answered(&[(&anna, "[#1]")]);
    service.stop();
    // Also for the next life, although it has not seen those rows itself.
    let service = scene.start();
    scene.say(&anna, "[#2]");
    scene.answered(&[(&anna, "[#2]")]);
    service.stop();
    scene.assert_only(&[(&anna, "[#1]"), (&anna, "[#2]")]);
}

#[test]
fn what_was_written_while_nobody_listened_is_answered() {
    let scene = Scene::new();
    let (anna, bert) = (scene.friend("+15550100001"), scene.friend("bert@example.com"));
    scene.start().stop();
    scene.say(&anna, "[#1] after an orderly stop");
    // Dated before the first start, but not there yet at that time.
    scene.write(&bert, "[#2]", Shape::Stale(Duration::from_mins(5)));
    let service = scene.start();
    scene.answered(&[(&anna, "[#1]"), (&bert, "[#2]")]);
    service.kill();
    scene.say(&anna, "[#3] after a kill");
    let service = scene.start();
    scene.answered(&[(&anna, "[#3]")]);
    service.stop();
    scene.assert_only(&[(&anna, "[#1]"), (&bert, "[#2]"), (&anna, "[#3]")]);
}

#[test]
fn rotation_and_checkpoints_hide_nothing() {
    let mut scene = Scene::new();
    let anna = scene.friend("+15550100001");
    let service = scene.start();
    let modes = [
        CheckpointMode::Passive,
        CheckpointMode::Full,
        CheckpointMode::Restart,
        CheckpointMode::Truncate,
    ];
    let mut marks = Vec::new();
    for round in 0..3 {
        for (number, mode) in modes.iter().enumerate() {
            let mark = format!("[#{round}.{number}]");
            scene.say(&anna, &mark);
            scene.db.checkpoint(*mode).unwrap();
            marks.push(mark);
        }
        scene.db.rotate().unwrap();
    }
    // And once more after everything has come to rest.
    scene.answered(&marks.iter().map(|mark| (&anna, mark.as_str())).collect::<Vec<_>>());
    scene.db.rotate().unwrap();
    scene.db.checkpoint(CheckpointMode::Truncate).unwrap();
    scene.say(&anna, "[#last]");
    marks.push("[#last]".into());
    let all: Vec<_> = marks.iter().map(|mark| (&anna, mark.as_str())).collect();
    scene.answered(&all);
    service.stop();
    scene.assert_only(&all);
}

#[test]
fn a_restored_backup_is_gone_on_with() {
    let mut scene = Scene::new();
    let (anna, bert) = (scene.friend("+15550100001"), scene.friend("+15550100002"));
    let service = scene.start();
    for number in 0..6 {
        let mark = format!("[#{number}]");
        scene.say(&anna, &mark);
        scene.answered(&[(&anna, &mark)]);
    }
    // Everything is out and recorded, and half of it never happened in the backup.
    service.idle();
    let replaced = scene.db.replace_with_backup().unwrap();
    assert!(!replaced.lost_guids.is_empty());
    let kept = scene.texts().len();
    // Row numbers start anew, below those already seen.
    scene.say(&bert, "[#new]");
    scene.answered(&[(&bert, "[#new]")]);
    scene.say(&anna, "[#newer]");
    scene.answered(&[(&anna, "[#newer]")]);
    service.stop();
    let service = scene.start();
    scene.say(&bert, "[#newest]");
    scene.answered(&[(&bert, "[#newest]")]);
    service.stop();
    assert_eq!(scene.texts().len(), kept + 3, "{:#?}", scene.texts());
}

#[test]
fn a_missing_database_is_waited_for() {
    let home = Home::new();
    let path = db_path(&home);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_files(&home, &json!({}), &[]);
    let service = home.start(&[]);
    let said = until("the watcher says what it misses", || service.note("watcher"));
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    let status = home.ask(&["status"]);
    assert!(status.out.contains(&said), "{}", status.out);
    let health = service.call("health", &json!({}));
    assert_eq!(health["ok"], json!(false), "{health}");

    let db = MessagesDb::create(&path).unwrap();
    let scene = Scene { home, db };
    until("the watcher has found it", || service.note("watcher").is_none().then_some(()));
    let anna = scene.friend("+15550100001");
    assert_eq!(anna.person.service, Service::IMessage);
    scene.say(&anna, "[#1]");
    scene.answered(&[(&anna, "[#1]")]);
    assert_eq!(service.call("health", &json!({}))["ok"], json!(true));
    assert_eq!(service.log().matches("cannot be read").count(), 1, "said once, not every time");
    service.stop();
    scene.assert_only(&[(&anna, "[#1]")]);
}
