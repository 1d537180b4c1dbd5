//! A disk that can lose its power at any step.
//!
//! What survives:
//! * content that was written before a sync of its file. Of later writes: none, all, the first few,
//!   any of them, or any 512-byte sectors of them;
//! * names that were made, moved or removed before a sync of their directory. Of later changes of a
//!   directory the first few, each directory by itself: file systems journal names in order, and no
//!   more is promised. A synced file without a durable name is gone.
//!
//! What was written before a failed sync is never durable, whatever syncs come later.
//!
//! A sync of a file does not sync its name (ext4 does that, the standard does not ask for it), and
//! `sync_file_range` does nothing.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use telson::supervision::Dice;

use super::log::Step;

const SECTOR: usize = 512;

/// How much of what was not synced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mercy {
    Nothing,
    Everything,
    /// By the dice, for each file and directory.
    Some,
}

/// See the module.
pub(crate) struct Disk {
    root: PathBuf,
    files: Vec<Content>,
    dirs: Vec<Names>,
    inodes: HashMap<u64, Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir(usize),
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    /// Written before a sync that failed: the system shows it and never writes it again.
    doubtful: Vec<Change>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Resize(usize),
}

#[derive(Default)]
struct Names {
    durable: BTreeMap<String, Node>,
    now: BTreeMap<String, Node>,
    /// What the names became with each change since the last sync.
    pending: Vec<BTreeMap<String, Node>>,
}

impl Disk {
    /// The content of `like`, all of it durable, as the directory `root` of the recorded program.
    pub(crate) fn rooted(like: &Path, root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            files: Vec::new(),
            dirs: Vec::new(),
            inodes: HashMap::new(),
        };
        let top = disk.load(like);
        disk.inodes.insert(std::fs::metadata(root).unwrap().ino(), top);
        disk
    }

    fn load(&mut self, path: &Path) -> Node {
        let meta = std::fs::metadata(path).unwrap();
        if !meta.is_dir() {
            let durable = std::fs::read(path).unwrap();
            return self.add_file(meta.ino(), Content { durable, ..Content::default() });
        }
        let node = self.add_dir(meta.ino());
        let Node::Dir(index) = node else { unreachable!("a directory was added") };
        for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
            let child = self.load(&entry.path());
            let name = entry.file_name().into_string().unwrap();
            self.dirs[index].now.insert(name, child);
        }
        self.dirs[index].sync();
        node
    }

    fn add_file(&mut self, inode: u64, content: Content) -> Node {
        self.files.push(content);
        let node = Node::File(self.files.len() - 1);
        self.inodes.insert(inode, node);
        node
    }

    fn add_dir(&mut self, inode: u64) -> Node {
        self.dirs.push(Names::default());
        let node = Node::Dir(self.dirs.len() - 1);
        self.inodes.insert(inode, node);
        node
    }

    /// The program does something.
    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Create { inode, path } => {
                let node = self.add_file(*inode, Content::default());
                self.names(path, |names, name| {
                    names.insert(name, node);
                });
            }
            Step::MakeDir { inode, path } => {
                let node = self.add_dir(*inode);
                self.names(path, |names, name| {
                    names.insert(name, node);
                });
            }
            Step::Write { inode, at, data } => {
                self.change(*inode, Change::Write { at: *at, data: data.clone() });
            }
            Step::Resize { inode, length } => self.change(*inode, Change::Resize(*length)),
            Step::Sync { inode } => match self.inodes.get(inode) {
                Some(Node::File(file)) => self.files[*file].sync(),
                Some(Node::Dir(dir)) => self.dirs[*dir].sync(),
                None => panic!("an unknown file was synced"),
            },
            Step::SyncFailed { inode } => match self.inodes.get(inode) {
                Some(Node::File(file)) => self.files[*file].doubt(),
                _ => panic!("only syncs of files fail here"),
            },
            Step::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "moves stay in their directory");
                let to = to.file_name().unwrap().to_str().unwrap().to_owned();
                self.names(from, |names, from| {
                    let node = names.remove(&from).expect("what is moved is there");
                    names.insert(to, node);
                });
            }
            Step::Remove { path } => self.names(path, |names, name| {
                names.remove(&name);
            }),
            Step::Mark(_) => {}
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let Some(Node::File(file)) = self.inodes.get(&inode) else {
            panic!("an unknown file was written")
        };
        self.files[*file].pending.push(change);
    }

    fn names(&mut self, path: &Path, change: impl FnOnce(&mut BTreeMap<String, Node>, String)) {
        let inside = path.strip_prefix(&self.root).unwrap();
        let mut dir = 0;
        for part in inside.parent().unwrap().components() {
            let Component::Normal(part) = part else {
                panic!("a strange path: {}", path.display())
            };
            match self.dirs[dir].now.get(part.to_str().unwrap()) {
                Some(Node::Dir(next)) => dir = *next,
                _ => panic!("no directory for {}", path.display()),
            }
        }
        let names = &mut self.dirs[dir];
        change(&mut names.now, path.file_name().unwrap().to_str().unwrap().to_owned());
        names.pending.push(names.now.clone());
    }

    /// What is found in `to` when the power comes back.
    pub(crate) fn lose_power(&self, to: &Path, mercy: Mercy, dice: &Dice) {
        std::fs::create_dir_all(to).unwrap();
        self.restore(0, to, mercy, dice);
    }

    fn restore(&self, dir: usize, to: &Path, mercy: Mercy, dice: &Dice) {
        for (name, node) in self.dirs[dir].survivors(mercy, dice) {
            let path = to.join(name);
            match node {
                Node::File(file) => {
                    std::fs::write(&path, self.files[*file].survivors(mercy, dice)).unwrap();
                }
                Node::Dir(dir) => {
                    std::fs::create_dir(&path).unwrap();
                    self.restore(*dir, &path, mercy, dice);
                }
            }
        }
    }
}

impl Names {
    fn sync(&mut self) {
        self.durable = self.now.clone();
        self.pending.clear();
    }

    fn survivors(&self, mercy: Mercy, dice: &Dice) -> &BTreeMap<String, Node> {
        let kept = match mercy {
            Mercy::Nothing => 0,
            Mercy::Everything => self.pending.len(),
            Mercy::Some => below(dice, self.pending.len() + 1),
        };
        kept.checked_sub(1).map_or(&self.durable, |last| &self.pending[last])
    }
}

impl Content {
    fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for change in &pending {
            apply(&mut self.durable, change);
        }
    }

    fn doubt(&mut self) {
        self.doubtful.append(&mut self.pending);
    }

    fn survivors(&self, mercy: Mercy, dice: &Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let count = self.pending.len();
        let way = match mercy {
            Mercy::Nothing => 0,
            Mercy::Everything => 1,
            Mercy::Some => below(dice, 5),
        };
        let first = if way == 2 { below(dice, count + 1) } else { count };
        for change in self.pending.iter().take(first) {
            match way {
                1 | 2 => apply(&mut bytes, change),
                3 if below(dice, 2) == 0 => apply(&mut bytes, change),
                4 => {
                    for sector in torn(change, dice) {
                        apply(&mut bytes, &sector);
                    }
                }
                _ => {}
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, data } => {
            let end = at + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*at..end].copy_from_slice(data);
        }
        Change::Resize(length) => bytes.resize(*length, 0),
    }
}

/// The sectors of a write that reach the disk; other changes are whole.
fn torn(change: &Change, dice: &Dice) -> Vec<Change> {
    let Change::Write { at, data } = change else { return vec![change.clone()] };
    let (mut sectors, mut offset) = (Vec::new(), 0);
    while offset < data.len() {
        let end = data.len().min(((at + offset) / SECTOR + 1) * SECTOR - at);
        if below(dice, 2) == 0 {
            sectors.push(Change::Write { at: at + offset, data: data[offset..end].to_vec() });
        }
        offset = end;
    }
    sectors
}

/// A number below `limit`.
pub(crate) fn below(dice: &Dice, limit: usize) -> usize {
    usize::try_from(dice.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
}
