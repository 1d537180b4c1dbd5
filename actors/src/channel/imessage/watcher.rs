//! The watcher actor: polls chat.db, judges what is new, and offers it for admission.
//!
//! Its own timer and file events send to it; it calls the router and waits. It runs all reading on
//! a thread that may block. File events only shorten the wait: on macOS they do not report appends
//! to the write-ahead log, and on Linux they come before the commit is visible.
//! Restart: continues at the stored cursor; guids decide what is new. Invariants: D1, D5.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use telson_supervision::Health;

use super::chatdb::ChatDbError;
use super::cursor::Cursor;
use super::echoes::Echoes;
use super::scanner::{Findings, Scanner, ScannerConfig};
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::inbox::{CursorRecord, cursor_key, dedupe_key};
use crate::router::{Admissions, AdmitError};
use crate::store::Store;

/// How often the data version is asked for. It costs no input or output.
const POLL_EVERY: Duration = Duration::from_millis(150);
/// After a file event the commit needs a moment to become visible.
const HINT_SETTLES: Duration = Duration::from_millis(15);
/// First pause after an error; doubles up to the last.
const ERROR_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause after errors.
const ERROR_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Pause when nothing could be admitted: the router restarts, or too much is waiting.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);
/// Errors in a row before they are shown as the account's state.
const ERRORS_SHOWN_AFTER: u32 = 5;

/// What a watcher needs.
#[derive(Clone)]
pub(super) struct WatcherDeps {
    /// Which database, and how to judge it.
    pub scanner: ScannerConfig,
    /// What we send ourselves.
    pub echoes: Echoes,
    /// The way in.
    pub admissions: Admissions,
    /// Where the cursor and known guids live.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Whether new messages are wanted; switched off while the engine drains.
    pub admitting: Arc<AtomicBool>,
    /// Completed polls.
    pub health: Health,
}

/// What a watcher is told.
pub(super) enum WatcherMessage {
    /// Look now, if this is still the newest appointment (from its own timer).
    Poll(u64),
    /// A file of the database changed (from the file system).
    Hint,
}

/// See the module.
pub(super) struct WatcherActor;

/// Its memory.
pub(super) struct Watch {
    deps: WatcherDeps,
    /// Absent only while a thread has it.
    scanner: Option<Scanner>,
    appointment: u64,
    errors: u32,
    refused: bool,
    hinted: Arc<AtomicBool>,
    _events: Option<RecommendedWatcher>,
}

type Myself = ActorRef<WatcherMessage>;
type Outcome<T = ()> = Result<T, ActorProcessingErr>;

impl Actor for WatcherActor {
    type Msg = WatcherMessage;
    type State = Watch;
    type Arguments = WatcherDeps;

    async fn pre_start(&self, myself: Myself, deps: WatcherDeps) -> Outcome<Watch> {
        let key = cursor_key(&deps.scanner.account);
        let cursor: Option<CursorRecord> = deps.store.get(&key)?;
        let mut cursor = cursor.and_then(|record| Cursor::decode(&record.position));
        if cursor.is_none() && deps.store.is_set_aside(&key)? {
            cursor = Some(Cursor::lost(deps.clock.now()));
        }
        let scanner = Scanner::new(deps.scanner.clone(), deps.echoes.clone(), cursor);
        let hinted = Arc::new(AtomicBool::new(false));
        let events = watch_files(&deps.scanner.path, &myself, &hinted);
        Ok(Watch {
            deps,
            scanner: Some(scanner),
            appointment: 0,
            errors: 0,
            refused: false,
            hinted,
            _events: events,
        })
    }

    async fn post_start(&self, myself: Myself, watch: &mut Watch) -> Outcome {
        watch.appoint(&myself, Duration::ZERO);
        Ok(())
    }

    async fn handle(&self, myself: Myself, message: WatcherMessage, watch: &mut Watch) -> Outcome {
        match message {
            WatcherMessage::Hint => {
                watch.hinted.store(false, Ordering::Release);
                watch.appoint(&myself, HINT_SETTLES);
            }
            WatcherMessage::Poll(appointment) if appointment == watch.appointment => {
                let pause = watch.poll().await?;
                watch.appoint(&myself, pause);
            }
            WatcherMessage::Poll(_) => {}
        }
        Ok(())
    }
}

impl Watch {
    /// The next poll comes after `pause`; an earlier appointment is void.
    fn appoint(&mut self, myself: &Myself, pause: Duration) {
        self.appointment += 1;
        let appointment = self.appointment;
        myself.send_after(pause, move || WatcherMessage::Poll(appointment));
    }

    /// One look, and the admission of what it found; answers the pause before the next.
    async fn poll(&mut self) -> Outcome<Duration> {
        if !self.deps.admitting.load(Ordering::Acquire) {
            self.deps.health.completed();
            return Ok(POLL_EVERY);
        }
        let Some(scanner) = self.scanner.take() else {
            return Err("the scanner was lost with its thread".into());
        };
        let (mut scanner, looked) = look(&self.deps, scanner).await?;
        let pause = match looked {
            Ok(findings) => self.admit(&mut scanner, findings).await,
            Err(error) => self.failed(&error),
        };
        self.scanner = Some(scanner);
        Ok(pause)
    }

    async fn admit(&mut self, scanner: &mut Scanner, mut findings: Findings) -> Duration {
        self.errors = 0;
        if let Some(admission) = findings.admission.clone() {
            match self.deps.admissions.admit(admission).await {
                Ok(_) => crash_point("admit.acknowledged"),
                Err(error) => {
                    scanner.unsettled();
                    return self.refused(&error);
                }
            }
        }
        self.refused = false;
        self.deps.health.set_note(None);
        self.deps.health.completed();
        let (more, look_at) = (findings.more, findings.look_at.take());
        scanner.settled(findings);
        if more {
            return Duration::ZERO;
        }
        look_at.map_or(POLL_EVERY, |at| at.since(self.deps.clock.steady()).min(POLL_EVERY))
    }

    /// Nothing could be admitted, which may go on for hours: said once, then it is a state.
    fn refused(&mut self, error: &AdmitError) -> Duration {
        if !self.refused {
            tracing::warn!(account = %self.deps.scanner.account, %error,
                "messages wait in the database until they can be admitted");
        }
        self.refused = true;
        self.deps.health.set_note(Some(error.to_string()));
        // The poll itself was done: a watcher that has to wait is not deaf.
        self.deps.health.completed();
        REFUSED_PAUSE
    }

    fn failed(&mut self, error: &ChatDbError) -> Duration {
        self.errors = self.errors.saturating_add(1);
        // A failed look is still a completed poll: the watcher lives, the database is the problem.
        self.deps.health.completed();
        if self.errors >= ERRORS_SHOWN_AFTER {
            let shown = error.clone().persisting().to_string();
            if self.errors == ERRORS_SHOWN_AFTER {
                tracing::warn!(account = %self.deps.scanner.account, error = %shown,
                    "the Messages database cannot be read");
            }
            self.deps.health.set_note(Some(shown));
        }
        let doublings = (self.errors - 1).min(10);
        ERROR_PAUSE_MIN.saturating_mul(1 << doublings).min(ERROR_PAUSE_MAX)
    }
}

/// Runs one look on a thread that may block.
async fn look(
    deps: &WatcherDeps,
    mut scanner: Scanner,
) -> Outcome<(Scanner, Result<Findings, ChatDbError>)> {
    let (now, store) = (deps.clock.steady(), deps.store.clone());
    let behind = now.since(deps.clock.now());
    let account = deps.scanner.account.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let is_admitted = |guid: &str| store.contains(&dedupe_key(&account, guid)).unwrap_or(false);
        let findings = scanner.look(now, behind, &is_admitted);
        (scanner, findings)
    });
    Ok(looked.await?)
}

/// Watches the folder, never the files: opening and closing a database file beside SQLite would
/// drop this process's locks on it. No events is no error, only slower.
fn watch_files(
    path: &Path,
    myself: &Myself,
    hinted: &Arc<AtomicBool>,
) -> Option<RecommendedWatcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?.to_owned();
    let name = path.file_name()?.to_string_lossy().into_owned();
    let (actor, hinted) = (myself.clone(), hinted.clone());
    let on_event = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_change = matches!(
            event.kind,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
        );
        let is_ours = event.paths.iter().any(|path| {
            path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name))
        });
        // One hint in the mailbox is enough, however many events a commit makes.
        if is_change && is_ours && !hinted.swap(true, Ordering::AcqRel) {
            drop(actor.send_message(WatcherMessage::Hint));
        }
    };
    let watching = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watching
        .inspect_err(|error| tracing::debug!(folder = %folder.display(), %error, "no file events"))
        .ok()
}
