//! What a path means below a folder, or why it means nothing there.

use std::path::{Component, Path};

/// Longest path, in bytes: what systems take.
const PATH_BYTES_MAX: usize = 4096;

/// The names to walk from `root` to what a model wrote; none for the root itself.
///
/// A path from the root of the machine is taken where it lies below `root`. The answer holds plain
/// names only, so a walk along them that follows no link can't leave the folder.
///
/// # Errors
/// A sentence for the model.
pub(super) fn steps(root: &Path, written: &str) -> Result<Vec<String>, String> {
    let refuse = |why: &str| Err(format!("{written:?} {why}"));
    if written.contains('\0') || written.len() > PATH_BYTES_MAX {
        return refuse("is not a path");
    }
    if written.starts_with('~') {
        return refuse("is outside the workspace; use a path relative to the workspace");
    }
    let path = Path::new(written);
    let below = if path.is_absolute() {
        match path.strip_prefix(root) {
            Ok(below) => below,
            Err(_) => return refuse("is outside the workspace"),
        }
    } else {
        path
    };
    let mut steps: Vec<String> = Vec::new();
    for component in below.components() {
        match component {
            Component::Normal(name) => steps.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir => {
                if steps.pop().is_none() {
                    return refuse("is outside the workspace");
                }
            }
            Component::RootDir | Component::Prefix(_) => return refuse("is not a path"),
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walk(written: &str) -> Option<String> {
        steps(Path::new("/home/space"), written).ok().map(|steps| steps.join("/"))
    }

    #[test]
    fn paths_stay_below_the_root() {
        for (written, expected) in [
            ("a/b.txt", Some("a/b.txt")),
            ("./a/../b", Some("b")),
            (".", Some("")),
            ("", Some("")),
            ("/home/space/a", Some("a")),
            ("a//b/", Some("a/b")),
            ("..", None),
            ("a/../../b", None),
            ("/home/space/../x", None),
            ("/home/spaces/x", None),
            ("/etc/passwd", None),
            ("~/x", None),
            ("a\0b", None),
        ] {
            assert_eq!(walk(written).as_deref(), expected, "{written:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_ever_leaves(written in "[a./~\\\\]{0,30}") {
            if let Ok(steps) = steps(Path::new("/w"), &written) {
                prop_assert!(steps.iter().all(|step| step != ".." && step != "." && !step.is_empty() && !step.contains('/')));
            }
        }
    }
}
