//! Real folders, real links, real pipes.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct Scene {
    dir: tempfile::TempDir,
    workspace: Workspace,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    let folder = dir.path().join("space");
    std::fs::create_dir_all(folder.join("own")).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("secret"), "hush").unwrap();
    symlink(&outside, folder.join("door")).unwrap();
    symlink(outside.join("secret"), folder.join("key")).unwrap();
    symlink("own", folder.join("alias")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    let private = vec![folder.join("own/gateway")];
    Scene { workspace: Workspace { folder, private }, dir }
}

#[test]
fn what_is_written_is_read() {
    let Scene { workspace, dir } = scene();
    workspace.write("a/b/c.txt", "grüße".as_bytes()).unwrap();
    assert_eq!(workspace.read("a/b/../b/c.txt", 99).unwrap(), "grüße");
    let whole = dir.path().join("space/a/b/c.txt");
    assert_eq!(workspace.read(whole.to_str().unwrap(), 99).unwrap(), "grüße");
    assert_eq!(workspace.list("a").unwrap().unwrap(), ["b/"]);
    assert_eq!(workspace.list("a/b").unwrap().unwrap(), ["c.txt"], "nothing is left beside it");
    assert!(workspace.read("a/b/c.txt", 3).unwrap_err().contains("larger than 3"));
    assert!(workspace.read("a", 9).unwrap_err().contains("not a file"));
}

#[test]
fn no_link_and_no_path_leads_out() {
    let Scene { workspace, dir } = scene();
    let outside = dir.path().join("outside/secret");
    let ways = ["door/secret", "key", "own/../../outside/secret", "../outside/secret", "alias/x"];
    for way in ways.into_iter().chain([outside.to_str().unwrap()]) {
        let read = workspace.read(way, 99).unwrap_err();
        assert!(!read.contains("hush"), "{way}: {read}");
        assert!(workspace.write(way, b"gone").is_err(), "{way}");
        assert!(workspace.folder(way).is_err(), "{way}");
    }
    assert!(workspace.list("door").unwrap_err().contains("symbolic link"));
    assert!(workspace.write("dangling", b"x").unwrap_err().contains("not touched"));
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "hush");
    assert!(!dir.path().join("space/nowhere").exists());
}

#[test]
fn a_link_of_the_new_files_name_is_not_followed() {
    let Scene { workspace, dir } = scene();
    symlink(dir.path().join("outside/secret"), dir.path().join("space/.x.telson-new")).unwrap();
    workspace.write("x", b"mine").unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("outside/secret")).unwrap(), "hush");
    assert_eq!(workspace.read("x", 9).unwrap(), "mine");
}

#[test]
fn what_is_no_text_file_is_refused_at_once() {
    let Scene { workspace, dir } = scene();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("space/pipe")).status();
    assert!(made.unwrap().success());
    assert!(workspace.read("pipe", 9).unwrap_err().contains("not a file"));
    assert!(workspace.write("pipe", b"x").unwrap_err().contains("not touched"));
    std::fs::write(dir.path().join("space/image"), b"\x89PNG\0").unwrap();
    assert!(workspace.read("image", 9).unwrap_err().contains("not a text file"));
    assert!(workspace.read("own/none", 9).unwrap_err().contains("not there"));
    assert!(workspace.write("image/x", b"x").is_err());
}

#[test]
fn permissions_stay() {
    let Scene { workspace, dir } = scene();
    let script = dir.path().join("space/run.sh");
    std::fs::write(&script, "old").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).unwrap();
    workspace.write("run.sh", b"new").unwrap();
    assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o750);
}

#[test]
fn our_own_files_are_nobodys_business() {
    let Scene { workspace, dir } = scene();
    std::fs::create_dir_all(dir.path().join("space/own/gateway")).unwrap();
    std::fs::write(dir.path().join("space/own/gateway/telson.json"), "key").unwrap();
    for way in ["own/gateway/telson.json", "own/./gateway/telson.json"] {
        assert!(workspace.read(way, 9).unwrap_err().contains("gateway itself"), "{way}");
        assert!(workspace.write(way, b"x").is_err(), "{way}");
    }
    assert!(workspace.list("own/gateway").is_err());
    assert!(workspace.list("own").is_ok());
    // A workspace inside our folder is its agent's all the same.
    let inside = Workspace {
        folder: dir.path().join("space/own/gateway/workspace"),
        private: workspace.private.clone(),
    };
    inside.write("x", b"y").unwrap();
    assert_eq!(inside.read("x", 9).unwrap(), "y");
}
