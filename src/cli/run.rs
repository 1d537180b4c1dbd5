//! `telson run`: the service.
//!
//! One process, usually one engine. Only a full disk ends an engine and not the process: it waits
//! for space, and starts another from what is on the disk.

use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
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
/// Time for an answer to reach whoever has asked for a new beginning.
const ANSWER_TIME: Duration = Duration::from_millis(250);
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
    let (state_dir, restart) = (place.state_dir()?, Restart::default());
    let mut signals = Signals::new(restart.clone())?;
    restart.watch_panics();
    let service = Service { place, args, env: &env, state_dir, config_path, ring, restart };
    Box::pin(service.keep(output, service.plan(loaded)?, &mut signals)).await
}

/// What outlives engines.
struct Service<'a> {
    place: &'a Place,
    args: &'a RunArgs,
    env: &'a config::Lookup<'a>,
    state_dir: PathBuf,
    config_path: PathBuf,
    ring: LogRing,
    restart: Restart,
}

/// Everything that is decided before an engine by what the config says.
struct Plan {
    builder: Builder,
    notes: Vec<String>,
    gateway: GatewaySpec,
    loaded: Loaded,
    /// Why it is not made of what the config file says by now.
    stale: Option<String>,
}

/// How the life of an engine ends.
enum End {
    /// With the process.
    Process(ExitCode),
    /// Somebody wants another one, which is planned already.
    Anew(Box<Plan>),
    /// On a full disk.
    Full(String),
}

impl Service<'_> {
    /// Engine after engine, until somebody wants the end of all.
    async fn keep(
        &self,
        output: &Output,
        mut plan: Plan,
        signals: &mut Signals,
    ) -> Result<ExitCode, Failure> {
        let mut patience = Patience::default();
        // What went well, until what follows it has started.
        let mut before: Option<Plan> = None;
        loop {
            signals.may_restart = plan.loaded.config.commands.restart;
            let full = match plan.builder.clone().start().await {
                Ok(engine) => {
                    if before.take().is_some() {
                        self.restart.fulfilled(plan.stale.take());
                        tracing::info!("begun anew");
                    }
                    if patience.is_first() {
                        let doors = doors(&plan.gateway);
                        let notes = [&plan.notes[..1], &doors, &plan.notes[1..]].concat();
                        tell(output, &self.config_path, &plan.loaded, &notes);
                    } else {
                        tracing::info!("another engine runs: going on");
                    }
                    // A person has accepted what was lost then, and nothing that comes later.
                    plan.builder = plan.builder.accept_loss(false);
                    let begun = Instant::now();
                    match Box::pin(self.live(&engine, signals)).await? {
                        End::Process(code) => return Ok(code),
                        End::Anew(next) => {
                            before = Some(follow(&mut plan, *next));
                            continue;
                        }
                        End::Full(full) => {
                            patience.lasted(begun.elapsed());
                            full
                        }
                    }
                }
                Err(error) if error.is_disk_full() || is_still_ours(&error) => error.to_string(),
                Err(error @ StartError::Store(_)) => return Err(refused(error)),
                Err(error) => {
                    let Some(old) = before.take() else { return Err(refused(error)) };
                    self.restart.failed(&error.to_string());
                    follow(&mut plan, old);
                    continue;
                }
            };
            let pause = patience.pause();
            if wait(&self.state_dir, &plan.gateway, &full, pause, signals).await? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    /// The life of an engine, to its end.
    async fn live(&self, engine: &Engine, signals: &mut Signals) -> Result<End, Failure> {
        loop {
            tokio::select! {
                () = signals.next() => {
                    return end(engine, self.args, signals).await.map(End::Process);
                }
                () = self.asked(engine) => match self.read() {
                    Ok(next) => return Ok(self.make_room(engine, next, signals).await),
                    Err(error) => self.stay(&error),
                },
                failure = engine.failed() => {
                    engine.shutdown(STOP_MAX).await;
                    if failure.is_disk_full() {
                        return Ok(End::Full(failure.to_string()));
                    }
                    let text = format!("{failure}; start again to recover from disk");
                    return Err(Failure::failed(text));
                }
            }
        }
    }

    /// Returns once somebody asks for another engine, and nobody wants this one to stay quiet.
    async fn asked(&self, engine: &Engine) {
        self.restart.asked_and(engine.suspension().over()).await;
    }

    /// What the config file says now.
    fn read(&self) -> Result<Plan, Failure> {
        self.plan(self.place.load(self.env)?)
    }

    /// The plan for what the config file says by now: who has asked again while the engine before
    /// came to its end was promised that. Where that can't be, the one that was made before.
    fn latest(&self, before: Plan, is_wanted_again: bool) -> Plan {
        let is_same = |loaded: &Loaded| loaded.config == before.loaded.config;
        let now = match self.place.load(self.env) {
            // Secrets may have changed beside it.
            Ok(loaded) if is_same(&loaded) && !is_wanted_again => return before,
            Ok(loaded) => self.plan(loaded),
            Err(error) => Err(error),
        };
        now.unwrap_or_else(|error| {
            let why = error.text().to_owned();
            tracing::error!("the config has changed meanwhile and can't be used: {why}");
            Plan { stale: Some(why), ..before }
        })
    }

    /// No engine is given up for one that can't be.
    fn stay(&self, error: &Failure) {
        self.restart.failed(error.text());
        self.restart.taken();
    }

    /// Ends an engine that another one follows, unless somebody asks for the end of all meanwhile.
    async fn make_room(&self, engine: &Engine, next: Plan, signals: &mut Signals) -> End {
        tracing::info!("beginning anew: finishing what is under way first");
        let stop = async {
            tokio::select! {
                biased;
                () = drain(engine, Duration::from_secs(self.args.drain_seconds)) => {}
                () = self.restart.hurried() => {}
            }
            // Whoever has asked is told so before the connection ends.
            tokio::time::sleep(ANSWER_TIME).await;
            engine.shutdown(STOP_MAX).await;
        };
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => {
                // Who asks from here on is served by another restart.
                let is_wanted_again = self.restart.taken();
                return End::Anew(Box::new(self.latest(next, is_wanted_again)));
            }
            () = signals.next() => {}
        }
        tracing::info!(
            "stopping instead: finishing what is under way; a second signal ends at once"
        );
        tokio::select! {
            () = stop => End::Process(ExitCode::SUCCESS),
            () = signals.next() => End::Process(ExitCode::from(INTERRUPTED)),
        }
    }
}

/// Puts the next plan in place of one, with its ports; gives that one back, to be opened again.
fn follow(plan: &mut Plan, next: Plan) -> Plan {
    next.gateway.inherit(&plan.gateway);
    let mut old = std::mem::replace(plan, next);
    // Nothing of it may hold a port that the next one wants in another way.
    old.gateway = old.gateway.anew();
    old.builder = old.builder.gateway(old.gateway.clone());
    // A person has accepted what was lost at the first start, and nothing that comes later.
    plan.builder = plan.builder.clone().accept_loss(false);
    old
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

/// Both HTTP clients and servers take their cryptography from here.
fn crypto() -> Result<(), Failure> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| Failure::failed("cryptography was set up twice"))
}

impl Service<'_> {
    /// What the config says, as an engine that can be started.
    fn plan(&self, loaded: Loaded) -> Result<Plan, Failure> {
        let (env, args) = (self.env, self.args);
        let (state_dir, config_path) = (&self.state_dir, &self.config_path);
        let assembly = assemble(&loaded.config, env).map_err(Failure::config)?;
        for warning in loaded.warnings.iter().chain(&assembly.warnings) {
            tracing::warn!("{warning}");
        }
        let host = Host::new(Facts {
            state_dir: Some(state_dir.clone()),
            config_path: Some(config_path.clone()),
            config: Some(loaded.config.clone()),
            logs: Some(self.ring.clone()),
            restart: Some(self.restart.clone()),
            ..Facts::default()
        });
        let control = ControlSpec { path: socket_path(state_dir), host: host.clone() };
        // Systems limit the names of sockets to about 100 bytes, and those of folders far less.
        SocketAddr::from_pathname(&control.path).map_err(|_| {
            let path = control.path.display();
            Failure::config(format!(
                "{path} is too long for a socket; choose a shorter --state-dir"
            ))
        })?;
        let either = |name: &str| gateway::own_env(env, name);
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
            state_dir: state_dir.clone(),
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
        Ok(Plan { builder, notes, gateway, loaded, stale: None })
    }
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
    drain(engine, drain_max).await;
    engine.shutdown(STOP_MAX).await;
}

async fn drain(engine: &Engine, drain_max: Duration) {
    if !engine.drain(drain_max).await {
        let left = engine.load();
        tracing::info!(
            waiting = left.waiting,
            undelivered = left.undelivered,
            commands = left.commands,
            calls = left.calls,
            "not everything was finished; messages and replies are kept and go on after the next start"
        );
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    anew: Signal,
    /// What that one asks for, if it may.
    restart: Restart,
    may_restart: bool,
}

impl Signals {
    fn new(restart: Restart) -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            anew: listen(SignalKind::user_defined1())?,
            restart,
            may_restart: false,
        })
    }

    /// Returns when somebody wants the end. Who wants a new beginning meanwhile has it asked for.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.anew.recv() => self.begin_anew(),
            }
        }
    }

    fn begin_anew(&self) {
        if self.may_restart {
            tracing::info!("a restart is asked for by SIGUSR1");
            self.restart.ask(false);
        } else {
            tracing::warn!("SIGUSR1 is ignored: commands.restart is false");
        }
    }
}
