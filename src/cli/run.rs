//! `telson run`: the service.

use std::os::unix::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use telson_actors::store::StoreError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::{Place, RunArgs};
use super::exit::Failure;
use super::logging;
use super::output::Output;
use crate::assembly::assemble;
use crate::config::{self, Loaded};
use crate::control::{ControlSpec, socket_path};
use crate::engine::{Engine, StartError};

/// Time for the actors to stop once everything is finished.
const STOP_MAX: Duration = Duration::from_secs(5);
/// What a shell gives a process that was interrupted.
const INTERRUPTED: u8 = 130;

pub(super) async fn run(
    place: &Place,
    args: &RunArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let config_path = place.config_path()?;
    let env = |name: &str| std::env::var(name).ok();
    let loaded =
        config::load(&config_path, &env).map_err(|error| Failure::config(error.to_string()))?;
    let logs = &loaded.config.logging;
    let json = args.log_json || logs.json;
    logging::start(args.log_level.as_deref(), logs.level, json, output.refuses_color())?;
    crypto()?;
    let mut signals = Signals::new()?;
    let (engine, notes) = start(place, &loaded, args.accept_loss, &env).await?;
    tell(output, &config_path, &loaded, &notes);
    tokio::select! {
        () = signals.next() => {}
        reason = engine.failed() => {
            engine.shutdown(STOP_MAX).await;
            return Err(Failure::failed(format!("{reason}; start again to recover from disk")));
        }
    }
    tracing::info!("stopping: finishing what is under way; a second signal ends at once");
    let stop = stop(&engine, Duration::from_secs(args.drain_seconds));
    tokio::select! {
        () = stop => Ok(ExitCode::SUCCESS),
        () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Both HTTP clients and servers take their cryptography from here.
fn crypto() -> Result<(), Failure> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| Failure::failed("cryptography was set up twice"))
}

async fn start(
    place: &Place,
    loaded: &Loaded,
    accept_loss: bool,
    env: &config::Lookup<'_>,
) -> Result<(Engine, Vec<String>), Failure> {
    let state_dir = place.state_dir()?;
    let assembly = assemble(&loaded.config, env).map_err(Failure::config)?;
    for warning in loaded.warnings.iter().chain(&assembly.warnings) {
        tracing::warn!("{warning}");
    }
    let control = ControlSpec { path: socket_path(&state_dir) };
    // Systems limit the names of sockets to about 100 bytes, and those of folders far less.
    SocketAddr::from_pathname(&control.path).map_err(|_| {
        let path = control.path.display();
        Failure::config(format!("{path} is too long for a socket; choose a shorter --state-dir"))
    })?;
    let builder = assembly.builder.state_dir(&state_dir).accept_loss(accept_loss);
    let builder = super::crash::arm(builder, env)?;
    let engine = builder.control(control).start().await;
    let engine = engine.map_err(|error| match error {
        // A person has to act: starting again changes nothing.
        StartError::Store(
            StoreError::Locked { .. } | StoreError::Newer { .. } | StoreError::Damaged { .. },
        ) => Failure::config(error.to_string()),
        error => Failure::failed(format!("cannot start: {error}")),
    })?;
    let mut notes = vec![format!("state directory {}", state_dir.display())];
    notes.extend(assembly.notes);
    Ok((engine, notes))
}

/// What was started, what was not, and what to type next.
fn tell(output: &Output, config_path: &std::path::Path, loaded: &Loaded, notes: &[String]) {
    let config = match &loaded.from_file {
        Some(path) => format!("config {}", path.display()),
        None => format!("no config at {}: running on defaults", config_path.display()),
    };
    let document = json!({
        "event": "started",
        "pid": std::process::id(),
        "config": config,
        "notes": notes,
    });
    output.show(&document, || {
        let mut text = format!(
            "telson {} is running (pid {})\n",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        );
        for note in std::iter::once(&config).chain(notes) {
            text.push_str(&format!("  {note}\n"));
        }
        text.push_str("next: `telson status`, `telson tree`, or `telson why <text>`\n");
        text
    });
}

async fn stop(engine: &Engine, drain_max: Duration) {
    if !engine.drain(drain_max).await {
        let left = engine.load();
        tracing::info!(
            waiting = left.waiting,
            undelivered = left.undelivered,
            "not everything was finished; it is kept and goes on after the next start"
        );
    }
    engine.shutdown(STOP_MAX).await;
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
