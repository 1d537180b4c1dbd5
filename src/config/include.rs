//! Reading the config file and the files it includes.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::depth::SIZE_MAX;
use super::error::{ConfigError, Problem};
use super::finding::Finding;
use super::node::{Kind, Node};
use super::path::Path as Setting;
use super::position::{Sources, in_reading_order};
use super::syntax;

/// The key whose value names the files to put in its place.
const INCLUDE: &str = "$include";

/// Deepest chain of includes, in files. More is a mistake rather than a layout.
const LEVELS_MAX: usize = 10;

/// Most inclusions in one config, in files: ten levels of lists could otherwise name billions.
const INCLUSIONS_MAX: usize = 256;

/// Longest path of an included file, in bytes, as operating systems have it.
const PATH_BYTES_MAX: usize = 4096;

/// A config with its includes in place.
#[derive(Debug)]
pub(super) struct Document {
    /// The values.
    pub(super) root: Node,
    /// The texts the values came from.
    pub(super) sources: Sources,
    /// The files read, the config file itself first.
    pub(super) files: Vec<PathBuf>,
}

/// Reads a config file and what it includes; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Document>, ConfigError> {
    let label = path.display().to_string();
    let Some(text) = read_root(path, &label)? else {
        return Ok(None);
    };
    let canonical = fs::canonicalize(path).map_err(|error| unreadable(&label, &error))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let base = fs::canonicalize(parent.unwrap_or(Path::new(".")))
        .map_err(|error| unreadable(&label, &error))?;
    let place = Place {
        folder: base.clone(),
        shown: parent.map(Path::to_path_buf).unwrap_or_default(),
        chain: vec![canonical.clone()],
    };
    let includer = Includer { base: Some(base), files: vec![canonical], ..Includer::default() };
    includer.run(&label, &text, &place).map(Some)
}

/// Takes a config from memory; it cannot include files.
pub(super) fn from_text(text: &str, label: &str) -> Result<Document, ConfigError> {
    Includer::default().run(label, text, &Place::default())
}

/// The text of the config file; `None` only when nothing at all is there.
fn read_root(path: &Path, label: &str) -> Result<Option<String>, ConfigError> {
    match fs::metadata(path) {
        Ok(_) => read_file(path, label).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => {
                let message = "the link leads to a file that does not exist";
                Err(Problem::of_file(label, message).into())
            }
            Err(_) => Ok(None),
        },
        Err(error) => Err(unreadable(label, &error)),
    }
}

fn read_file(path: &Path, label: &str) -> Result<String, ConfigError> {
    // A pipe or device would block or never end.
    let regular = fs::metadata(path).map_err(|error| unreadable(label, &error))?.is_file();
    if !regular {
        return Err(Problem::of_file(label, "this is not a regular file").into());
    }
    let mut bytes = Vec::new();
    let limit = SIZE_MAX as u64 + 1;
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| unreadable(label, &error))?;
    if bytes.len() > SIZE_MAX {
        return Err(syntax::oversized(label).into());
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::of_file(label, "the file is not UTF-8 text").into())
}

fn unreadable(label: &str, error: &io::Error) -> ConfigError {
    Problem::of_file(label, format!("the file cannot be read: {error}")).into()
}

/// Where an include was met.
#[derive(Debug, Default, Clone)]
struct Place {
    /// The real folder relative paths start from.
    folder: PathBuf,
    /// The same folder as the caller named it, for messages.
    shown: PathBuf,
    /// The real files being included, outermost first.
    chain: Vec<PathBuf>,
}

/// Replaces every `$include` and gathers what goes wrong.
#[derive(Debug, Default)]
struct Includer {
    /// The folder all files must lie in; without one nothing can be included.
    base: Option<PathBuf>,
    sources: Sources,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    inclusions: usize,
}

impl Includer {
    fn run(mut self, label: &str, text: &str, place: &Place) -> Result<Document, ConfigError> {
        let root = syntax::parse(&mut self.sources, label, text)?;
        let root = self.resolve(root, place);
        if !self.problems.is_empty() {
            return Err(ConfigError { problems: in_reading_order(self.problems) });
        }
        Ok(Document { root, sources: self.sources, files: self.files })
    }

    fn resolve(&mut self, mut node: Node, place: &Place) -> Node {
        match &mut node.kind {
            Kind::List(list) => {
                let resolved = list.drain(..).map(|node| self.resolve(node, place)).collect();
                node.kind = Kind::List(resolved);
                node
            }
            Kind::Table(table) => {
                let include = table.remove(INCLUDE);
                for child in table.values_mut() {
                    let taken = std::mem::replace(child, Node::empty_table());
                    *child = self.resolve(taken, place);
                }
                match include {
                    Some(include) => self.with_siblings(&include, node, place),
                    None => node,
                }
            }
            _ => node,
        }
    }

    /// The included value with the keys written beside the include laid on it.
    fn with_siblings(&mut self, include: &Node, siblings: Node, place: &Place) -> Node {
        let mut included = match &include.kind {
            Kind::Text(name) => self.file(name, include, place),
            Kind::List(names) => self.merged(names, place),
            _ => {
                let message = format!(
                    "expected a file name or a list of file names, found {}",
                    include.in_words()
                );
                self.complain(include, message);
                Node::empty_table()
            }
        };
        let beside = matches!(&siblings.kind, Kind::Table(table) if !table.is_empty());
        if !beside {
            return included;
        }
        if !matches!(included.kind, Kind::Table(_)) {
            let message = "a file included beside other keys must hold an object";
            self.complain(include, message.to_owned());
            return siblings;
        }
        included.merge(siblings);
        included
    }

    fn merged(&mut self, names: &[Node], place: &Place) -> Node {
        let mut merged: Option<Node> = None;
        for name in names {
            let Kind::Text(text) = &name.kind else {
                self.complain(name, format!("expected a file name, found {}", name.in_words()));
                continue;
            };
            let file = self.file(text, name, place);
            match &mut merged {
                Some(merged) => merged.merge(file),
                None => merged = Some(file),
            }
        }
        merged.unwrap_or_else(Node::empty_table)
    }

    /// One included file with its own includes in place; an empty object if that fails.
    fn file(&mut self, name: &str, include: &Node, place: &Place) -> Node {
        self.inclusions += 1;
        if self.inclusions > INCLUSIONS_MAX {
            // Said once; the rest would only repeat it.
            if self.inclusions == INCLUSIONS_MAX + 1 {
                self.complain(include, format!("more than {INCLUSIONS_MAX} files are included"));
            }
            return Node::empty_table();
        }
        let path = match self.permitted(name, place) {
            Ok(path) => path,
            Err(message) => {
                self.complain(include, message);
                return Node::empty_table();
            }
        };
        let shown = place.shown.join(name.strip_prefix("./").unwrap_or(name));
        let label = shown.display().to_string();
        let parsed = read_file(&path, &label)
            .and_then(|text| syntax::parse(&mut self.sources, &label, &text));
        let node = match parsed {
            Ok(node) => node,
            Err(error) => {
                self.problems.extend(error.problems);
                return Node::empty_table();
            }
        };
        if !self.files.contains(&path) {
            self.files.push(path.clone());
        }
        let mut inner = place.clone();
        inner.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        inner.shown = shown.parent().map(Path::to_path_buf).unwrap_or_default();
        inner.chain.push(path);
        self.resolve(node, &inner)
    }

    /// The real path of an included file, if it may be read.
    fn permitted(&self, name: &str, place: &Place) -> Result<PathBuf, String> {
        let Some(base) = &self.base else {
            return Err("only a config that is a file can include others".to_owned());
        };
        if name.is_empty() || name.contains('\0') || name.len() >= PATH_BYTES_MAX {
            return Err("this is not a usable file name".to_owned());
        }
        if place.chain.len() > LEVELS_MAX {
            return Err(format!("files are included more than {LEVELS_MAX} levels deep"));
        }
        let path =
            fs::canonicalize(place.folder.join(name)).map_err(|error| match error.kind() {
                ErrorKind::NotFound => format!("the included file {name:?} does not exist"),
                _ => format!("the included file {name:?} cannot be read: {error}"),
            })?;
        if !path.starts_with(base) {
            return Err(format!("the included file {name:?} is outside the config's folder"));
        }
        if path.as_os_str().len() >= PATH_BYTES_MAX {
            return Err("this is not a usable file name".to_owned());
        }
        if place.chain.contains(&path) {
            return Err(format!("the included file {name:?} includes itself"));
        }
        Ok(path)
    }

    fn complain(&mut self, include: &Node, message: String) {
        let finding = Finding::new(Setting::default(), message);
        let located = self.sources.locate(include, finding);
        self.problems.push(Problem { path: INCLUDE.to_owned(), ..located });
    }
}
