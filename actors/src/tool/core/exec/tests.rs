//! Real shells and real children.

use std::path::Path;

use super::*;
use crate::message::SessionKey;

struct Scene {
    dir: tempfile::TempDir,
    exec: Exec,
}

fn scene(timeout: Duration) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let folders = [("main".to_owned(), dir.path().join("space"))].into();
    let workspaces = Arc::new(Workspaces::new(folders, Vec::new()));
    let settings = ExecSettings { timeout, ..ExecSettings::default() };
    Scene { dir, exec: Exec::new(workspaces, settings) }
}

fn call(arguments: Value) -> Invocation {
    Invocation {
        session: SessionKey::main("main", "main").unwrap(),
        agent: "main".into(),
        turn: 1,
        arguments,
        // Tests run beside each other in one process.
        idempotency_key: format!("{:?}", std::thread::current().id()),
    }
}

async fn run(scene: &Scene, command: &str) -> Result<String, String> {
    scene.exec.call(&call(json!({"command": command}))).await
}

fn is_alive(pid: &str) -> bool {
    // A zombie is dead, and waits for a parent that may be slow.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

async fn dies(file: &Path) {
    let pids = std::fs::read_to_string(file).unwrap();
    assert!(!pids.trim().is_empty(), "children wrote their numbers");
    for pid in pids.lines() {
        let gone = async {
            while is_alive(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the child is ended");
    }
}

#[tokio::test]
async fn a_command_answers_what_it_wrote_and_how_it_ended() {
    let scene = scene(Duration::from_mins(1));
    let said = run(&scene, "echo out; echo err >&2; pwd; exit 3").await.unwrap();
    assert!(said.contains("out\n") && said.contains("err\n"), "{said}");
    assert!(said.contains("/space\n") && said.ends_with("[exit code 3]"), "{said}");
    assert_eq!(run(&scene, "true").await.unwrap(), "[no output; exit code 0]");
    assert!(run(&scene, "kill -9 $$").await.unwrap().contains("signal 9"));
    assert_eq!(run(&scene, "cat").await.unwrap(), "[no output; exit code 0]", "there is no input");
}

#[tokio::test]
async fn the_environment_is_bare() {
    let scene = scene(Duration::from_mins(1));
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok(), "there is something to hide");
    let said = run(&scene, "env").await.unwrap();
    let mut names: Vec<&str> =
        said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "PATH", MARK]);
    let with = json!({"command": "echo $GREETING", "env": {"GREETING": "hello"}});
    assert!(scene.exec.call(&call(with)).await.unwrap().starts_with("hello\n"));
    for name in ["PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "BASH_ENV", MARK, "A=B", ""] {
        let with = json!({"command": "true", "env": {name: "x"}});
        assert!(scene.exec.call(&call(with)).await.unwrap_err().contains("can't be set"), "{name}");
    }
}

#[tokio::test]
async fn a_folder_outside_is_refused() {
    let scene = scene(Duration::from_mins(1));
    std::fs::create_dir_all(scene.dir.path().join("space/in")).unwrap();
    std::os::unix::fs::symlink(scene.dir.path(), scene.dir.path().join("space/door")).unwrap();
    let at = async |workdir: &str| {
        scene.exec.call(&call(json!({"command": "pwd", "workdir": workdir}))).await
    };
    assert!(at("in").await.unwrap().contains("/space/in\n"));
    for outside in ["..", "/tmp", "door", "none"] {
        assert!(at(outside).await.is_err(), "{outside}");
    }
}

// L1
#[tokio::test]
async fn a_flood_is_cut_and_does_not_hold_the_command() {
    let scene = scene(Duration::from_mins(1));
    let flood = "yes begin | head -c 20000000; echo end";
    let said = run(&scene, flood).await.unwrap();
    assert!(said.len() < 201_000 && said.contains("bytes left out"), "{}", said.len());
    assert!(said.starts_with("begin") && said.ends_with("end\n[exit code 0]"));
}

#[tokio::test]
async fn a_hanging_command_ends_with_all_its_children() {
    let scene = scene(Duration::from_secs(2));
    let tree = "echo begun; for i in 1 2 3; do (sleep 1000 & echo $! >>pids; sleep 1000) & \
                echo $! >>pids; done; wait";
    let said = run(&scene, tree).await.unwrap_err();
    assert!(said.starts_with("begun\n[stopped after 2 s"), "{said}");
    dies(&scene.dir.path().join("space/pids")).await;
}

#[tokio::test]
async fn what_a_command_leaves_running_ends_with_it() {
    let scene = scene(Duration::from_mins(1));
    let said = run(&scene, "sleep 1000 & echo $! >>pids; echo done").await.unwrap();
    assert_eq!(said, "done\n[exit code 0]");
    dies(&scene.dir.path().join("space/pids")).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_leaves_the_group_is_found() {
    let scene = scene(Duration::from_secs(3));
    let daemon =
        "setsid sh -c 'echo $$ >>pids; setsid sleep 1000 & echo $! >>pids; wait' & sleep 1000";
    assert!(run(&scene, daemon).await.is_err());
    dies(&scene.dir.path().join("space/pids")).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_tree_that_grows_is_ended() {
    let scene = scene(Duration::from_secs(3));
    // Every process starts two more in sessions of their own, down to a depth that a test can bear.
    std::fs::create_dir_all(scene.dir.path().join("space")).unwrap();
    std::fs::write(
        scene.dir.path().join("space/grow.sh"),
        "echo $$ >>pids\n[ $1 -gt 5 ] && sleep 1000\n\
         setsid sh grow.sh $(($1+1)) &\nsetsid sh grow.sh $(($1+1)) &\nwait\n",
    )
    .unwrap();
    assert!(run(&scene, "sh grow.sh 0").await.is_err());
    let pids = scene.dir.path().join("space/pids");
    assert!(std::fs::read_to_string(&pids).unwrap().lines().count() > 10);
    dies(&pids).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_command_along() {
    let scene = scene(Duration::from_mins(1));
    let pids = scene.dir.path().join("space/pids");
    let command = "sleep 1000 & echo $! >>new; echo $$ >>new; mv new pids; wait";
    tokio::select! {
        said = run(&scene, command) => panic!("{said:?}"),
        () = async { while !pids.exists() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    dies(&pids).await;
}
