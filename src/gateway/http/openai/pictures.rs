//! Pictures of requests, and files that chat clients attach, as files: a turn reads them when it
//! begins, in whatever life that is.
//!
//! They lie below the state directory until their turn has ended, and for a day at most. Together
//! they are bounded, too: where they fill their shelf the oldest go that no message waits for, and
//! where nothing can go a request is told so.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use telson_actors::context::TURN_BYTES_MAX;
use telson_actors::inbox::InboxRecord;
use telson_actors::message::Attachment;
use telson_actors::store::{Key, Space, Store, StoreError};
use telson_actors::tool::core::web::{FetchSettings, fetch_image};

use super::images::{Image, Picture, picture, within};
use super::shelf::{BYTES_MAX, FILES_MAX, Lying, Shelf};
use crate::config::{Config, Images};
use crate::gateway::http::error::HttpError;

/// Where they lie, below the state directory.
const FOLDER: &str = "media/api";
/// How long a file may lie: an answer is waited for at most an hour.
const KEPT_MAX: Duration = Duration::from_hours(24);
/// Largest picture that is fetched, in bytes.
const FETCHED_BYTES_MAX: usize = 10 * 1024 * 1024;
/// What may lie there.
const SHELF: Shelf = Shelf { bytes_max: BYTES_MAX, files_max: FILES_MAX };
/// Held by who looks for a place, so that two do not take the same one.
static PLACING: Mutex<()> = Mutex::new(());
/// Waiting messages that are looked through at a time.
const PAGE: usize = 200;
/// Redirects on the way to one.
const REDIRECTS_MAX: usize = 3;
/// Longest time for one.
const FETCH_MAX: Duration = Duration::from_secs(10);

/// The pictures themselves, those from elsewhere fetched if that is allowed.
pub(super) async fn collected(
    images: Vec<Image>,
    config: &Config,
    rules: &Images,
) -> Result<Vec<Picture>, HttpError> {
    let (mut pictures, mut bytes) = (Vec::new(), 0);
    for (index, image) in images.into_iter().enumerate() {
        let picture = match image {
            Image::Inline(picture) => picture,
            Image::At(url) => fetched(&url, index, config, rules).await?,
        };
        bytes += picture.bytes.len();
        within(bytes)?;
        pictures.push(picture);
    }
    Ok(pictures)
}

async fn fetched(
    url: &str,
    index: usize,
    config: &Config,
    rules: &Images,
) -> Result<Picture, HttpError> {
    let place = format!("picture {}", index + 1);
    let refused = |text: String| HttpError::param("image_url", text).code("image_not_fetched");
    if !rules.allow_url {
        let text = "pictures are not fetched from here; send them as data: addresses, or set \
                    images.allowUrl of this endpoint in gateway.http.endpoints";
        return Err(refused(text.into()));
    }
    if !rules.url_allowlist.is_empty() && !is_listed(url, &rules.url_allowlist) {
        let text = format!("{place}: its host is not in images.urlAllowlist of this endpoint");
        return Err(refused(text));
    }
    let settings = FetchSettings {
        timeout: FETCH_MAX,
        redirects_max: REDIRECTS_MAX,
        response_bytes_max: FETCHED_BYTES_MAX,
        ..crate::assembly::web_fetch(&config.tools.web.fetch)
    };
    let bytes = fetch_image(&settings, url).await;
    picture(bytes.map_err(|error| refused(format!("{place}: {error}")))?, &place)
}

/// Whether the host is one of these names, or lies below `*.name`.
fn is_listed(url: &str, hosts: &[String]) -> bool {
    let Some(host) = host(url) else { return false };
    hosts.iter().any(|listed| {
        let listed = listed.to_ascii_lowercase();
        match listed.strip_prefix("*.") {
            Some(above) => host.strip_suffix(above).is_some_and(|it| it.ends_with('.')),
            None => host == listed,
        }
    })
}

/// The host of an address, in small letters.
fn host(url: &str) -> Option<String> {
    let uri: axum::http::Uri = url.parse().ok()?;
    uri.host().map(str::to_ascii_lowercase)
}

/// Writes the pictures of a request, which bears `name`, and gives what a message says of them.
/// Those of a repeat are there already.
pub(super) async fn keep(
    place: (PathBuf, Store),
    name: String,
    pictures: Vec<Picture>,
) -> Result<Vec<Attachment>, HttpError> {
    keep_files(place, name, pictures).await.map_err(|error| {
        let text = format!("a picture was not kept: {error}");
        match error.kind() {
            ErrorKind::StorageFull => HttpError::new(507, "insufficient_storage", text),
            _ => HttpError::unavailable(text),
        }
    })
}

/// The same for files of any kind that models see.
pub(crate) async fn keep_files(
    (state_dir, store): (PathBuf, Store),
    name: String,
    files: Vec<Picture>,
) -> std::io::Result<Vec<Attachment>> {
    let kept = tokio::task::spawn_blocking(move || {
        let used = || used(&store).map_err(std::io::Error::other);
        write(&state_dir.join(FOLDER), &name, &files, (SHELF, used))
    });
    kept.await.map_err(std::io::Error::other)?
}

/// The files that waiting messages speak of.
fn used(store: &Store) -> Result<BTreeSet<PathBuf>, StoreError> {
    let (all, mut after, mut used) = (Key::of(Space::Inbox), None, BTreeSet::new());
    loop {
        let page: Vec<(Key, InboxRecord)> = store.page(&all, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(used) };
        after = Some(last.clone());
        let files = page.into_iter().flat_map(|(_, record)| record.envelope.inbound.attachments);
        used.extend(files.filter_map(|file| file.path.map(PathBuf::from)));
    }
}

fn write(
    folder: &Path,
    name: &str,
    pictures: &[Picture],
    (shelf, used): (Shelf, impl Fn() -> std::io::Result<BTreeSet<PathBuf>>),
) -> std::io::Result<Vec<Attachment>> {
    telson_actors::store::durable::create_dir(folder)?;
    let _placing = PLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let place = |number: usize, picture: &Picture| {
        let kind = picture.media_type.rsplit('/').next().unwrap_or_default();
        (folder.join(format!("{name}-{number}.{kind}")), kind.to_owned())
    };
    // Those of a repeat are there already.
    let new = (1..).zip(pictures).filter(|(number, it)| !place(*number, it).0.exists());
    let more = new.fold((0, 0), |(files, bytes), (_, it)| {
        (files + 1, bytes + u64::try_from(it.bytes.len()).unwrap_or(TURN_BYTES_MAX))
    });
    make_room(folder, more, (shelf, used))?;
    let mut kept = Vec::new();
    for (number, picture) in (1..).zip(pictures) {
        let (path, kind) = place(number, picture);
        let Picture { media_type, bytes } = picture;
        let mut options = OpenOptions::new();
        match options.create_new(true).write(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(bytes).and_then(|()| file.sync_all())?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        kept.push(Attachment {
            media_type: (*media_type).to_owned(),
            name: format!("image-{number}.{kind}"),
            path: Some(path.to_string_lossy().into_owned()),
            bytes: u64::try_from(bytes.len()).unwrap_or(TURN_BYTES_MAX),
        });
    }
    Ok(kept)
}

/// Removes what nobody waits for any more, and what has to give way. A file that can't be removed is
/// tried again.
fn make_room(
    folder: &Path,
    more: (usize, u64),
    (shelf, used): (Shelf, impl Fn() -> std::io::Result<BTreeSet<PathBuf>>),
) -> std::io::Result<()> {
    let mut lying = Vec::new();
    for file in fs::read_dir(folder)?.flatten() {
        let Ok(about) = file.metadata() else { continue };
        // One of tomorrow has just been written, by a clock that was wrong.
        let age = about.modified().ok().and_then(|modified| modified.elapsed().ok());
        let age = age.unwrap_or_default();
        if age > KEPT_MAX {
            drop(fs::remove_file(file.path()));
        } else {
            lying.push(Lying { path: file.path(), bytes: about.len(), age });
        }
    }
    if shelf.fits(&lying, more) {
        return Ok(());
    }
    let Some(gone) = shelf.gives_way(lying, &used()?, more) else {
        let text = "pictures of requests that wait fill their folder, media/api of the state \
                    directory; ask again when some have been answered";
        return Err(std::io::Error::new(ErrorKind::StorageFull, text));
    };
    tracing::warn!(files = gone.len(), "pictures of requests that nobody waits for give way");
    remove(&gone);
    Ok(())
}

/// The turn has its answer: the files go.
pub(crate) fn remove(kept: &[PathBuf]) {
    for path in kept {
        // What stays goes with the next sweep.
        drop(fs::remove_file(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_listed_by_name_or_from_above() {
        let hosts = ["img.example.org".to_owned(), "*.example.com".to_owned()];
        for listed in
            ["https://IMG.example.org/a", "https://a.example.com", "http://b.a.example.com:8/"]
        {
            assert!(is_listed(listed, &hosts), "{listed}");
        }
        for other in [
            "https://example.org",
            "https://example.com",
            "https://notexample.com",
            "https://a.example.com.evil.test",
            "https://evil.test/img.example.org",
            "https://img.example.org@evil.test/",
        ] {
            assert!(!is_listed(other, &hosts), "{other}");
        }
    }

    #[test]
    fn files_are_kept_once_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let picture = |bytes: &[u8]| Picture { media_type: "image/png", bytes: bytes.to_vec() };
        let nobody = || Ok(BTreeSet::new());
        let write = |name, picture| write(dir.path(), name, &[picture], (SHELF, nobody));
        let first = write("a", picture(b"one")).unwrap();
        let path = PathBuf::from(first[0].path.clone().unwrap());
        assert_eq!(write("a", picture(b"two")).unwrap()[0].path, first[0].path);
        assert_eq!(fs::read(&path).unwrap(), b"one", "a repeat finds what the first has brought");
        #[expect(clippy::disallowed_methods, reason = "files are dated by the wall clock")]
        let long_ago = std::time::SystemTime::now() - 2 * KEPT_MAX;
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let other = write("b", picture(b"new")).unwrap();
        assert!(!path.exists());
        let path = PathBuf::from(other[0].path.clone().unwrap());
        remove(std::slice::from_ref(&path));
        assert!(!path.exists());
    }

    #[test]
    fn a_full_shelf_keeps_what_messages_wait_for() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf { bytes_max: 8, files_max: 10 };
        let used = std::cell::RefCell::new(BTreeSet::new());
        let write = |name| {
            let picture = Picture { media_type: "image/png", bytes: b"four".to_vec() };
            let kept = write(dir.path(), name, &[picture], (shelf, || Ok(used.borrow().clone())));
            kept.map(|kept| PathBuf::from(kept[0].path.clone().unwrap()))
        };
        let (first, second) = (write("a").unwrap(), write("b").unwrap());
        let full = write("c").unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull, "both may be on their way in");
        for (path, hours) in [(&first, 2), (&second, 1)] {
            #[expect(clippy::disallowed_methods, reason = "files are dated by the wall clock")]
            let then = std::time::SystemTime::now() - Duration::from_hours(hours);
            fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        used.borrow_mut().insert(first.clone());
        let third = write("c").unwrap();
        assert!(first.exists() && !second.exists() && third.exists());
    }
}
