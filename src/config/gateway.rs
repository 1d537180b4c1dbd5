//! `gateway`: the port, who may speak on it, and what it offers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::gateway_nodes::GatewayNodes;
use super::gateway_tls::GatewayTls;
use super::secret::Secret;

/// The port of clients, apps and pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Gateway {
    /// Whether this machine is the gateway. Default: local.
    pub mode: GatewayMode,
    /// The port; 0 for any free one. Default: 18789.
    pub port: Option<u16>,
    /// Which addresses of this machine it listens on. Default: loopback.
    pub bind: GatewayBind,
    /// The address to listen on where `bind` is `custom`, beside 127.0.0.1.
    pub custom_bind_host: Option<String>,
    /// Who may speak on it.
    pub auth: GatewayAuth,
    /// Proxies whose word on where a connection comes from counts: addresses, or networks such as
    /// `10.0.0.0/8`. Default: none.
    pub trusted_proxies: Vec<String>,
    /// Reaching it over Tailscale.
    pub tailscale: GatewayTailscale,
    /// The web page.
    pub control_ui: ControlUi,
    /// Encryption on the port. Where it listens beyond this machine, somebody has to say.
    pub tls: Option<GatewayTls>,
    /// What it offers over HTTP.
    pub http: GatewayHttp,
    /// Devices that let agents use what they can do.
    pub nodes: GatewayNodes,
}

/// Whether this machine is the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GatewayMode {
    /// It is.
    #[default]
    Local,
    /// Another one is, and this config is only that of a client.
    Remote,
}

/// Which addresses of this machine are listened on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GatewayBind {
    /// 127.0.0.1: nobody beyond this machine.
    #[default]
    Loopback,
    /// All of them.
    #[serde(alias = "all")]
    Lan,
    /// This machine's address in its Tailscale network, beside 127.0.0.1.
    Tailnet,
    /// `customBindHost`, beside 127.0.0.1.
    Custom,
    /// 127.0.0.1, or all of them where that can't be had.
    Auto,
}

/// Who may speak on the port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayAuth {
    /// What a client has to show. Default: a password if only that is set, else a token.
    pub mode: Option<GatewayAuthMode>,
    /// The shared token. Default: the environment's `TELSON_GATEWAY_TOKEN` or
    /// `OPENCLAW_GATEWAY_TOKEN`, else one made at the first start and kept in the state directory.
    pub token: Option<Secret>,
    /// The shared password. Default: the environment's `TELSON_GATEWAY_PASSWORD` or
    /// `OPENCLAW_GATEWAY_PASSWORD`.
    pub password: Option<Secret>,
    /// Whether Tailscale's word on who connects counts. Default: true with `tailscale.mode` serve.
    pub allow_tailscale: Option<bool>,
    /// What the proxy says, with mode `trusted-proxy`.
    pub trusted_proxy: Option<TrustedProxy>,
    /// What people may do whom a proxy or Tailscale names, beside what their devices may: by the
    /// name, e-mail addresses in any case. It counts for their connections as operators and is kept
    /// nowhere. Default: nothing.
    pub identity_scopes: BTreeMap<String, Vec<String>>,
    /// What becomes of those who guess.
    pub rate_limit: RateLimit,
}

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayAuthMode {
    /// The shared token.
    Token,
    /// The shared password.
    Password,
    /// Nothing to us: a proxy in front has asked already.
    TrustedProxy,
    /// Nothing. Only on loopback.
    None,
}

/// What a proxy in front says of those it lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustedProxy {
    /// The header with the person's name, such as `x-forwarded-user`.
    pub user_header: String,
    /// Headers that must be there as well. Default: none.
    pub required_headers: Vec<String>,
    /// The people who may in. Default: all the proxy lets through.
    pub allow_users: Vec<String>,
    /// Whether the proxy may run on this machine: every program here could then claim to be it.
    /// Default: false.
    pub allow_loopback: bool,
}

/// What becomes of those who guess secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimit {
    /// Wrong guesses of one address within the window before it has to wait. Default: 10.
    pub max_attempts: u32,
    /// The window in milliseconds. Default: 60000.
    pub window_ms: u64,
    /// How long it then waits, in milliseconds. Default: 300000.
    pub lockout_ms: u64,
    /// Whether programs of this machine may guess on; pages in its browsers never may.
    /// Default: true.
    pub exempt_loopback: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { max_attempts: 10, window_ms: 60_000, lockout_ms: 300_000, exempt_loopback: true }
    }
}

/// Reaching the gateway over Tailscale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayTailscale {
    /// How far Tailscale carries the gateway: a port of its own is opened for it, and the route to
    /// that port is held with the `tailscale` command until the gateway ends. Default: off.
    pub mode: TailscaleMode,
}

/// How far Tailscale carries the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TailscaleMode {
    /// Nowhere.
    #[default]
    Off,
    /// To the devices of its network.
    Serve,
    /// To everybody; needs a password.
    Funnel,
}

/// The web page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ControlUi {
    /// Whether it is served. Default: true.
    pub enabled: bool,
    /// Other pages that may speak to the gateway, such as `https://home.example`, exactly as their
    /// browser names them. Their host names also reach this machine. Default: none.
    pub allowed_origins: Vec<String>,
}

impl Default for ControlUi {
    fn default() -> Self {
        Self { enabled: true, allowed_origins: Vec::new() }
    }
}

/// What the gateway offers over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayHttp {
    /// Which of its ways in are open.
    pub endpoints: Endpoints,
}

/// Ways in for programs that speak to models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoints {
    /// `POST /v1/chat/completions`.
    pub chat_completions: Endpoint,
    /// `POST /v1/responses`.
    pub responses: Endpoint,
}

/// One way in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoint {
    /// Whether it is open. Default: false.
    pub enabled: bool,
    /// Pictures in its requests.
    pub images: Images,
}

/// Pictures in requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Images {
    /// Whether pictures are fetched from addresses, as `tools.web.fetch` may reach them: 10 MB, 3
    /// redirects and 10 seconds at most. Default: false; pictures come in the request itself.
    pub allow_url: bool,
    /// Hosts they are fetched from, `*.name` for all below a name. Default: any.
    pub url_allowlist: Vec<String>,
}

impl Gateway {
    /// What a client has to show, with what follows from the secrets that are set.
    pub fn auth_mode(&self) -> GatewayAuthMode {
        let auth = &self.auth;
        auth.mode.unwrap_or(match (&auth.token, &auth.password) {
            (None, Some(_)) => GatewayAuthMode::Password,
            _ => GatewayAuthMode::Token,
        })
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self.bind {
            GatewayBind::Loopback => true,
            GatewayBind::Custom => {
                let host = self.custom_bind_host.as_deref().unwrap_or_default();
                host.trim().parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            // `auto` may end on all addresses.
            GatewayBind::Lan | GatewayBind::Tailnet | GatewayBind::Auto => false,
        }
    }
}
