//! `telson run`: the service.
//!
//! One process, usually one engine. Only a full disk ends an engine and not the process: it waits
//! for space, and starts another from what is on the disk.

use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use telson_actors::store::StoreError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::args::{Place, RunArgs};
use super::exit::Failure;
use super::logging;
use super::output::Output;
use super::patience::Patience;
use crate::assembly::assemble;
use crate::config::{self, Loaded};
use crate::control::{ControlSpec, Standby, socket_path};
use crate::engine::{Builder, Engine, StartError};
use crate::gateway::{self, GatewaySpec};
use crate::host::{Facts, Host};
use crate::logs::LogRing;
use crate::restart::Restart;

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
    let loaded = place.load(&env)?;
    let logs = &loaded.config.logging;
    let json = args.log_json || logs.json;
    let ring = logging::start(args.log_level.as_deref(), logs.level, json, output.refuses_color())?;
    crypto()?;
    let mut signals = Signals::new()?;
    let state_dir = place.state_dir()?;
    let outer = Outer { ring, restart: Restart::default() };
    outer.restart.watch_panics();
    let (mut builder, notes, gateway) =
        prepare(&state_dir, &config_path, &loaded, args, &env, &outer)?;
    let mut patience = Patience::default();
    loop {
        let full = match builder.clone().start().await {
            Ok(engine) => {
                if patience.is_first() {
                    let notes = [&notes[..1], &doors(&gateway), &notes[1..]].concat();
                    tell(output, &config_path, &loaded, &notes);
                } else {
                    tracing::info!("the store is open again: going on");
                }
                // A person has accepted what was lost then, and nothing that comes later.
                builder = builder.accept_loss(false);
                let begun = Instant::now();
                tokio::select! {
                    () = signals.next() => return end(&engine, args, &mut signals).await,
                    wish = outer.restart.asked() => {
                        let next = place.load(&env).and_then(|loaded| {
                            prepare(&state_dir, &config_path, &loaded, args, &env, &outer)
                        });
                        let patient = if wish.at_once { 0 } else { args.drain_seconds };
                        if is_over(&engine, patient, &mut signals).await {
                            return Ok(ExitCode::from(INTERRUPTED));
                        }
                        outer.restart.answered(next.is_ok());
                        match next {
                            Ok((next, ..)) => builder = next,
                            Err(error) => tracing::error!(?error, "going on with the old config"),
                        }
                        continue;
                    }
                    failure = engine.failed() => {
                        engine.shutdown(STOP_MAX).await;
                        if !failure.is_disk_full() {
                            let text = format!("{failure}; start again to recover from disk");
                            return Err(Failure::failed(text));
                        }
                        patience.lasted(begun.elapsed());
                        failure.to_string()
                    }
                }
            }
            Err(error) if error.is_disk_full() || is_still_ours(&error) => error.to_string(),
            Err(error) => return Err(refused(error)),
        };
        if wait(&state_dir, &gateway, &full, patience.pause(), &mut signals).await? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// The last engine of this process is not gone completely.
fn is_still_ours(error: &StartError) -> bool {
    matches!(error, StartError::Store(StoreError::Locked { pid: Some(pid), .. })
        if *pid == std::process::id())
}

/// Waits for space for a while, and answers those who ask; `true` if the service is to end.
async fn wait(
    state_dir: &Path,
    gateway: &GatewaySpec,
    full: &str,
    pause: Duration,
    signals: &mut Signals,
) -> Result<bool, Failure> {
    let seconds = pause.as_secs_f32();
    let why = format!("{full}; waiting for space on the disk of the state directory");
    tracing::error!("{why}; nothing acknowledged is lost; next try in {seconds} s");
    let standby = match Standby::start(state_dir, gateway, &why).await {
        Ok(standby) => Some(standby),
        Err(StoreError::Locked { pid, .. }) if pid == Some(std::process::id()) => None,
        Err(error) => return Err(Failure::config(error.to_string())),
    };
    let is_over = tokio::select! {
        () = signals.next() => true,
        () = tokio::time::sleep(pause) => false,
    };
    if let Some(standby) = standby {
        standby.stop().await;
    }
    Ok(is_over)
}

/// An orderly end.
async fn end(engine: &Engine, args: &RunArgs, signals: &mut Signals) -> Result<ExitCode, Failure> {
    tracing::info!("stopping: finishing what is under way; a second signal ends at once");
    let stop = stop(engine, Duration::from_secs(args.drain_seconds));
    tokio::select! {
        () = stop => Ok(ExitCode::SUCCESS),
        () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Ends an engine that another one follows; `true` if somebody asks for the end of all meanwhile.
async fn is_over(engine: &Engine, drain_seconds: u64, signals: &mut Signals) -> bool {
    tracing::info!("beginning anew: finishing what is under way first");
    tokio::select! {
        () = stop(engine, Duration::from_secs(drain_seconds)) => false,
        () = signals.next() => true,
    }
}

/// What outlives engines.
struct Outer {
    ring: LogRing,
    restart: Restart,
}

/// Both HTTP clients and servers take their cryptography from here.
fn crypto() -> Result<(), Failure> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| Failure::failed("cryptography was set up twice"))
}

/// Everything that is decided before an engine by what the config says.
fn prepare(
    state_dir: &Path,
    config_path: &Path,
    loaded: &Loaded,
    args: &RunArgs,
    env: &config::Lookup<'_>,
    outer: &Outer,
) -> Result<(Builder, Vec<String>, GatewaySpec), Failure> {
    let assembly = assemble(&loaded.config, env).map_err(Failure::config)?;
    for warning in loaded.warnings.iter().chain(&assembly.warnings) {
        tracing::warn!("{warning}");
    }
    let host = Host::new(Facts {
        state_dir: Some(state_dir.to_owned()),
        config_path: Some(config_path.to_owned()),
        config: Some(loaded.config.clone()),
        logs: Some(outer.ring.clone()),
        restart: Some(outer.restart.clone()),
        ..Facts::default()
    });
    let control = ControlSpec { path: socket_path(state_dir), host: host.clone() };
    // Systems limit the names of sockets to about 100 bytes, and those of folders far less.
    SocketAddr::from_pathname(&control.path).map_err(|_| {
        let path = control.path.display();
        Failure::config(format!("{path} is too long for a socket; choose a shorter --state-dir"))
    })?;
    let either = |name: &str| {
        let names = ["TELSON", "OPENCLAW"].map(|ours| format!("{ours}_GATEWAY_{name}"));
        names.iter().find_map(|name| env(name).filter(|value| !value.is_empty()))
    };
    let port = match (args.port, either("PORT")) {
        (Some(port), _) => Some(port),
        (None, Some(port)) => {
            let wrong = |_| {
                let names = "TELSON_GATEWAY_PORT or OPENCLAW_GATEWAY_PORT";
                Failure::config(format!("{names}: {port:?} is no port"))
            };
            Some(port.trim().parse().map_err(wrong)?)
        }
        (None, None) => None,
    };
    let wanted = gateway::Wanted {
        config: at_home(loaded.config.gateway.clone(), env),
        port,
        from_env: [either("TOKEN"), either("PASSWORD")],
        state_dir: state_dir.to_owned(),
    };
    let gateway = gateway::plan(wanted, host).map_err(Failure::config)?;
    let mut notes = vec![format!("state directory {}", state_dir.display())];
    notes.extend(assembly.notes);
    let workspaces = crate::workspace::workspaces(&loaded.config, state_dir, env);
    let beat_file = crate::workspace::heartbeat_file(&workspaces);
    let prompt = crate::workspace::source(workspaces);
    let builder = assembly.builder.context(|context| context.prompt = Some(prompt));
    let builder = builder.heartbeats(|rules| rules.file = Some(beat_file));
    let builder = builder.web_chat().state_dir(state_dir).accept_loss(args.accept_loss);
    let builder = super::crash::arm(builder, env)?.control(control).gateway(gateway.clone());
    Ok((builder, notes, gateway))
}

/// A home folder stands before its files.
fn at_home(mut gateway: config::Gateway, env: &config::Lookup<'_>) -> config::Gateway {
    let home = env("HOME").filter(|home| !home.is_empty());
    let mut paths: Vec<&mut String> = Vec::new();
    if let Some(tls) = &mut gateway.tls {
        paths.extend(
            [&mut tls.cert_path, &mut tls.key_path, &mut tls.ca_path].into_iter().flatten(),
        );
    }
    if let config::SshVerify::Rules(rules) = &mut gateway.nodes.pairing.ssh_verify {
        paths.extend(&mut rules.identity);
    }
    for path in paths {
        *path = crate::assembly::expand(path, home.as_deref()).to_string_lossy().into_owned();
    }
    gateway
}

/// Where the gateway is reached.
fn doors(gateway: &GatewaySpec) -> Vec<String> {
    let fingerprint = gateway.fingerprint();
    let scheme = if fingerprint.is_some() { "wss" } else { "ws" };
    let address = |address| format!("gateway on {scheme}://{address}");
    let mut notes: Vec<String> = gateway.addresses().into_iter().map(address).collect();
    if let Some(fingerprint) = fingerprint {
        notes.push(format!("certificate SHA-256 {fingerprint}"));
    }
    if let Some(port) = gateway.tailscale_port() {
        notes.push(format!("port {port} for Tailscale alone"));
    }
    notes
}

/// What a person has to change first has a code of its own: a supervisor must not try again.
fn refused(error: StartError) -> Failure {
    match error {
        StartError::Store(
            StoreError::Locked { .. }
            | StoreError::Newer { .. }
            | StoreError::Damaged { .. }
            | StoreError::NotWritable { .. },
        )
        | StartError::Gateway(_) => Failure::config(error.to_string()),
        error => Failure::failed(format!("cannot start: {error}")),
    }
}

/// What was started, what was not, and what to type next.
fn tell(output: &Output, config_path: &Path, loaded: &Loaded, notes: &[String]) {
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
