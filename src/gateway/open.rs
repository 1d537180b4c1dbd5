//! The ports and the secret a service starts its gateway with.
//!
//! What can be known from the config is checked at once. The rest happens when the engine starts
//! and holds the lock of its state directory: two services never fight for a port or a token file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::devices::Place;
use super::enrolment::{Enrolment, SshLookup};
use super::exposure::{Exposure, UNSAID, exposure, is_for_proxies};
use super::identity::{IdentityScopes, ProxyRules, TailscaleCommand, Whois};
use super::limiter::{Limiter, Patience};
use super::listener::GatewaySpec;
use super::network::Cidr;
use super::ports::{Bound, Inherited};
use super::settings::{Policy, Settings};
use super::strength::weakness;
use super::tls::{Files, Fingerprint, Tls};
use super::visitor::{House, Via};
use crate::config::{Config, Gateway, GatewayAuthMode, GatewayBind, Lookup, Secret, TailscaleMode};
use crate::host::Host;

/// The port where nobody says otherwise.
pub const PORT: u16 = 18789;
/// The file of a token that was made here, in the state directory.
pub const TOKEN_FILE: &str = "gateway-token";
/// Tries to get a port that a service which just ended may still hold, and the pause between them.
const TRIES: (u32, Duration) = (20, Duration::from_millis(500));
/// What a gateway is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The section of the config.
    pub config: Gateway,
    /// The port, where somebody has said more than the config.
    pub port: Option<u16>,
    /// The token and the password of the environment, for a config without.
    pub from_env: [Option<String>; 2],
    /// Where a token is kept that is made here.
    pub state_dir: PathBuf,
}

/// A gateway that is open.
pub(crate) struct Opened {
    pub(super) listeners: Vec<Bound>,
    pub(super) settings: Arc<Settings>,
    /// Encrypts the gateway's own port.
    pub(super) tls: Option<Arc<Tls>>,
}

/// Checks what can be known before the engine starts.
///
/// # Errors
/// A sentence that says what to do.
pub fn plan(wanted: Wanted, host: Host) -> Result<GatewaySpec, String> {
    for warning in judge(&wanted.config, host.config.as_ref(), &wanted.from_env)? {
        tracing::warn!("{warning}");
    }
    let (opened, inherited) = (Arc::new(OnceLock::new()), Inherited::default());
    Ok(GatewaySpec { wanted: Arc::new(wanted), host, opened, inherited })
}

/// Whether a service could start its gateway with a config, as far as that can be known before, and
/// what a person should know if it could.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) fn check(config: &Config, env: &Lookup<'_>) -> Result<Vec<String>, String> {
    let from_env = ["TOKEN", "PASSWORD"].map(|name| own_env(env, name));
    let warnings = judge(&config.gateway, Some(config), &from_env)?;
    settings(&config.gateway, config.gateway.auth_mode(), None).map(|_| warnings)
}

/// A variable of the environment that is about the gateway, under our name or the incumbent's.
pub(crate) fn own_env(env: &Lookup<'_>, name: &str) -> Option<String> {
    let names = ["TELSON", "OPENCLAW"].map(|ours| format!("{ours}_GATEWAY_{name}"));
    names.iter().find_map(|name| env(name).filter(|value| !value.is_empty()))
}

/// What is wrong with it, else what a person should know.
fn judge(
    gateway: &Gateway,
    config: Option<&Config>,
    from_env: &[Option<String>; 2],
) -> Result<Vec<String>, String> {
    let (mode, mut warnings) = (gateway.auth_mode(), Vec::new());
    let is_open = !gateway.is_loopback();
    if is_open && mode == GatewayAuthMode::None {
        return Err("gateway.auth.mode none is for gateway.bind loopback only".into());
    }
    let secret = secret(gateway, from_env, mode);
    if mode == GatewayAuthMode::Password && secret.is_none() {
        return Err("gateway.auth.mode password needs gateway.auth.password, or \
                    TELSON_GATEWAY_PASSWORD in the environment"
            .into());
    }
    if let Some(why) = secret.as_deref().and_then(weakness) {
        let text = format!("the gateway's secret is easily guessed: {why}");
        if is_open {
            return Err(format!("{text}; `openssl rand -hex 32` makes a good one"));
        }
        warnings.push(text);
    }
    // Where `auto` ends is known when it is tried.
    if gateway.bind != GatewayBind::Auto {
        warnings.extend(check_exposure(gateway, gateway.bind)?.map(str::to_owned));
    }
    if gateway.bind == GatewayBind::Custom {
        custom_address(gateway)?;
    }
    super::http::check(config, secret.as_deref().unwrap_or_default())?;
    Ok(warnings)
}

/// Refuses what could be read on the way, unless somebody has said that it may; then a person should
/// know.
fn check_exposure(config: &Gateway, bind: GatewayBind) -> Result<Option<&'static str>, String> {
    match exposure(config, bind) {
        Exposure::None => Ok(None),
        Exposure::Accepted => Ok(Some(
            "the gateway listens beyond this machine and does not encrypt, as the config says: \
             whoever is on the way can read its token",
        )),
        Exposure::Unsaid => Err(UNSAID.into()),
    }
}

fn custom_address(config: &Gateway) -> Result<IpAddr, String> {
    let address = config.custom_bind_host.as_deref().and_then(|host| host.trim().parse().ok());
    address.ok_or_else(|| "gateway.customBindHost: an address such as 192.168.1.5".into())
}

/// The secret of the config, else that of the environment.
fn secret(
    gateway: &Gateway,
    [token, password]: &[Option<String>; 2],
    mode: GatewayAuthMode,
) -> Option<String> {
    let auth = &gateway.auth;
    let (own, env) = match mode {
        GatewayAuthMode::Token => (&auth.token, token),
        GatewayAuthMode::Password => (&auth.password, password),
        GatewayAuthMode::TrustedProxy | GatewayAuthMode::None => return None,
    };
    let own = own.as_ref().and_then(Secret::expose).map(str::to_owned);
    own.or_else(|| env.clone()).filter(|secret| !secret.is_empty())
}

impl GatewaySpec {
    /// The same gateway, to be opened once more: nothing of it holds a port.
    pub(crate) fn anew(&self) -> Self {
        let (opened, inherited) = (Arc::default(), Inherited::default());
        Self { wanted: self.wanted.clone(), host: self.host.clone(), opened, inherited }
    }

    /// Takes over the ports of the gateway before it, where it is to listen there as well. The other
    /// one is not to be opened again.
    pub(crate) fn inherit(&self, before: &Self) {
        let mut all = before.inherited.all();
        all.extend(before.opened.get().into_iter().flat_map(|opened| opened.listeners.clone()));
        self.inherited.set(all);
    }

    /// Makes the token if there is none, and binds the ports, once. The caller holds the lock of the
    /// state directory.
    pub(crate) async fn open(&self) -> Result<(), String> {
        if self.opened.get().is_some() {
            return Ok(());
        }
        let wanted = self.wanted.clone();
        let mode = wanted.config.auth_mode();
        let secret = match secret(&wanted.config, &wanted.from_env, mode) {
            None if mode == GatewayAuthMode::Token => {
                let fresh = tokio::task::spawn_blocking(move || kept_token(&wanted.state_dir));
                Some(fresh.await.map_err(|error| error.to_string())??)
            }
            secret => secret,
        };
        let listeners = listen(&self.wanted, &self.inherited).await?;
        super::http::check(self.host.config.as_ref(), secret.as_deref().unwrap_or_default())?;
        let settings = Arc::new(settings(&self.wanted.config, mode, secret)?);
        let tls = self.tls(&listeners).await?.map(|tls| self.host.tls.get_or_init(|| tls).clone());
        let own = listeners.iter().filter(|bound| bound.via == Via::Port);
        let own: Vec<_> = own.filter_map(|bound| bound.listener.local_addr().ok()).collect();
        if let Some(address) = own.first() {
            let scheme = if tls.is_some() { "wss" } else { "ws" };
            let auth = if mode == GatewayAuthMode::Password { "password" } else { "token" };
            self.host.gateway.get_or_init(|| *address);
            self.host.devices.set_place(Place { scheme, listeners: own, auth });
        }
        // Opened once: an engine that is started anew goes on with the same ports.
        drop(self.opened.set(Opened { listeners, settings, tls }));
        self.inherited.set(Vec::new());
        Ok(())
    }

    /// The certificate, made where it is missing.
    async fn tls(&self, listeners: &[Bound]) -> Result<Option<Arc<Tls>>, String> {
        let Some(config) = self.wanted.config.tls.as_ref().filter(|tls| tls.enabled) else {
            return Ok(None);
        };
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let own_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
        };
        if is_name(&own_name) {
            names.extend([format!("{own_name}.local"), own_name]);
        }
        let bound = listeners.iter().filter_map(|bound| bound.listener.local_addr().ok());
        let bound = bound.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        names.extend(bound.map(|ip| ip.to_string()).filter(|ip| ip != "127.0.0.1"));
        let files = Files::of(config, &self.wanted.state_dir, names);
        let opening = tokio::task::spawn_blocking(move || Tls::open(files));
        let tls = opening.await.map_err(|error| error.to_string())??;
        Ok(Some(Arc::new(tls)))
    }

    /// What its certificate is known by, where it has one. After the addresses are there.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.opened.get()?.tls.as_ref().map(|tls| tls.fingerprint())
    }

    /// The addresses it listens on; none until an engine with it has started.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let listeners = self.opened.get().map(|opened| &opened.listeners);
        let own = listeners.into_iter().flatten().filter(|bound| bound.via == Via::Port);
        own.filter_map(|bound| bound.listener.local_addr().ok()).collect()
    }

    /// The port on this machine that is for Tailscale alone.
    pub fn tailscale_port(&self) -> Option<u16> {
        let listeners = &self.opened.get()?.listeners;
        let bound = listeners.iter().find(|bound| bound.via == Via::Tailscale)?;
        bound.listener.local_addr().ok().map(|address| address.port())
    }
}

fn settings(
    config: &Gateway,
    mode: GatewayAuthMode,
    secret: Option<String>,
) -> Result<Settings, String> {
    let limits = &config.auth.rate_limit;
    let millis = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    let patience = Patience {
        attempts_max: limits.max_attempts,
        window_ms: millis(limits.window_ms),
        lockout_ms: millis(limits.lockout_ms),
    };
    let proxies = config.trusted_proxies.iter().map(|proxy| Cidr::parse(proxy));
    let own_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let house = House {
        proxies: proxies.collect::<Result<_, _>>()?,
        origins: config.control_ui.allowed_origins.clone(),
        names: if config.is_loopback() {
            Vec::new()
        } else {
            vec![format!("{own_name}.local"), own_name]
        },
        is_for_proxies: is_for_proxies(config),
    };
    let lower = |text: &String| text.trim().to_ascii_lowercase();
    let proxy = config.auth.trusted_proxy.as_ref().map(|proxy| ProxyRules {
        user_header: lower(&proxy.user_header),
        required_headers: proxy.required_headers.iter().map(lower).collect(),
        allow_users: proxy.allow_users.clone(),
        allow_loopback: proxy.allow_loopback,
    });
    let is_serve = config.tailscale.mode == TailscaleMode::Serve;
    let whois: Option<Arc<dyn Whois>> = (is_serve && config.auth.allow_tailscale.unwrap_or(true))
        .then(|| Arc::new(TailscaleCommand) as _);
    Ok(Settings {
        mode,
        secret,
        house,
        proxy: proxy.filter(|_| mode == GatewayAuthMode::TrustedProxy),
        whois,
        identity_scopes: IdentityScopes::new(&config.auth.identity_scopes),
        enrolment: enrolment(config)?,
        lookups: Arc::default(),
        limiter: Arc::new(Mutex::new(Limiter::new(patience))),
        exempt_loopback: limits.exempt_loopback,
        policy: Policy { room: room(), ..Policy::default() },
    })
}

fn enrolment(config: &Gateway) -> Result<Enrolment, String> {
    let networks = |list: &[String]| {
        list.iter().map(|network| Cidr::parse(network)).collect::<Result<Vec<_>, _>>()
    };
    let pairing = &config.nodes.pairing;
    let ssh = pairing.ssh_verify.rules().map(|rules| {
        Ok::<_, String>(SshLookup {
            networks: networks(&rules.cidrs)?,
            user: rules.user,
            identity: rules.identity.map(PathBuf::from),
            time_max: Duration::from_millis(rules.timeout_ms),
        })
    });
    Ok(Enrolment {
        is_local_let_in: pairing.auto_approve_local,
        networks: networks(&pairing.auto_approve_cidrs)?,
        ssh: ssh.transpose()?,
    })
}

/// As many connections as this process may have files for, with half of them left for everything
/// else: a crowd at the door must not keep the store from its files.
fn room() -> super::crowd::Room {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let mut room = Policy::default().room;
    let wanted = 2 * room.total_max as u64;
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if now.current.is_some_and(|current| current < most) {
        let raised = Rlimit { current: Some(most), maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files was not raised");
        }
    }
    if let Some(files) = getrlimit(Resource::Nofile).current {
        let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
        room.total_max = room.total_max.min(half);
        room.silent_max = room.silent_max.min(half / 2);
    }
    room
}

async fn listen(wanted: &Wanted, inherited: &Inherited) -> Result<Vec<Bound>, String> {
    let port = wanted.port.or(wanted.config.port).unwrap_or(PORT);
    let near: IpAddr = Ipv4Addr::LOCALHOST.into();
    let everywhere: IpAddr = Ipv4Addr::UNSPECIFIED.into();
    let bound = match wanted.config.bind {
        GatewayBind::Auto if TcpListener::bind((near, 0)).is_ok() => GatewayBind::Loopback,
        GatewayBind::Auto => {
            if let Some(warning) = check_exposure(&wanted.config, GatewayBind::Lan)? {
                tracing::warn!("{warning}");
            }
            GatewayBind::Lan
        }
        bind => bind,
    };
    let mut places = match bound {
        GatewayBind::Loopback => vec![near],
        GatewayBind::Lan | GatewayBind::Auto => vec![everywhere],
        GatewayBind::Tailnet => vec![tailnet_address()?, near],
        GatewayBind::Custom => vec![custom_address(&wanted.config)?, near],
    };
    if places.first().is_some_and(|first| first.is_unspecified() || *first == near) {
        places.truncate(1);
    }
    let mut listeners: Vec<Bound> = Vec::new();
    for address in places {
        // Where any port will do, it is the same one on each address.
        let taken = listeners.first().and_then(|first| first.listener.local_addr().ok());
        let port = taken.map_or(port, |first| first.port());
        listeners.push(bound_at(SocketAddr::new(address, port), Via::Port, inherited).await?);
    }
    if wanted.config.tailscale.mode != TailscaleMode::Off {
        listeners.push(bound_at(SocketAddr::new(near, 0), Via::Tailscale, inherited).await?);
    }
    Ok(listeners)
}

fn tailnet_address() -> Result<IpAddr, String> {
    let missing = "gateway.bind tailnet: this machine has no Tailscale address; is it connected?";
    super::reach::tailnet().ok_or_else(|| missing.into())
}

/// The port of the gateway before this one, else one that is bound now.
async fn bound_at(asked: SocketAddr, via: Via, inherited: &Inherited) -> Result<Bound, String> {
    if let Some(bound) = inherited.take(asked, via) {
        return Ok(bound);
    }
    Ok(Bound::new(asked, bind(asked).await?, via))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let mut tries = 1;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries < TRIES.0 => {
                tries += 1;
                tokio::time::sleep(TRIES.1).await;
            }
            Err(error) => {
                let help = "is another gateway running? choose a port with --port or gateway.port";
                return Err(format!("cannot listen on {address}: {error}; {help}"));
            }
        }
    }
}

/// The token of an earlier start, or a new one of 256 random bits. The state directory is there.
fn kept_token(state_dir: &Path) -> Result<String, String> {
    let path = state_dir.join(TOKEN_FILE);
    let broken = |error: std::io::Error| format!("{}: {error}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => {
            let token = token.trim().to_owned();
            return match weakness(&token) {
                None => Ok(token),
                Some(why) => Err(format!(
                    "{}: is easily guessed: {why}; remove it, and another one is made",
                    path.display()
                )),
            };
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(broken(error)),
        _ => {}
    }
    let token = crate::hex::random::<32>().map_err(|error| format!("no randomness: {error}"))?;
    // Whole or not at all: half a token would be taken for one by the next start.
    let fresh = state_dir.join(format!("{TOKEN_FILE}.new"));
    let mut options = OpenOptions::new();
    let mut file =
        options.create(true).write(true).truncate(true).mode(0o600).open(&fresh).map_err(broken)?;
    file.write_all(token.as_bytes()).and_then(|()| file.sync_all()).map_err(broken)?;
    std::fs::rename(&fresh, &path).map_err(broken)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    // What the port goes by is what the config says: past its proxy nobody comes in the clear.
    #[test]
    fn a_port_behind_a_proxy_elsewhere_is_for_that_proxy_alone() {
        let mut config = Gateway { bind: GatewayBind::Lan, ..Gateway::default() };
        config.trusted_proxies = vec!["10.0.0.2".into()];
        let is_for_proxies = |config: &Gateway| {
            let settings = settings(config, config.auth_mode(), None).unwrap();
            settings.house.is_for_proxies
        };
        assert!(!is_for_proxies(&config));
        config.auth.mode = Some(GatewayAuthMode::TrustedProxy);
        assert!(is_for_proxies(&config));
    }
}
